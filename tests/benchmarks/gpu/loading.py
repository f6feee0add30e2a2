"""From a process's start to its worker being ready, with the weights as files on the local disk: with nothing compiled
yet, and with what the first one left, bytecode too. Also the most anonymous memory of the host.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def ready() -> None:
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            now = int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) * 1024
            peak[0] = max(peak[0], now)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    # As the worker's parent does, before it forks.
    from shared.gpus import list_gpus  # noqa: PLC0415 - imports count
    from worker.generate.child import import_engine  # noqa: PLC0415
    from worker.settings import WorkerSettings  # noqa: PLC0415

    start = time.perf_counter()
    import_engine(WorkerSettings(_env_file=None, torch_device="cuda"), list_gpus()[0])
    print(f"engine imported in {time.perf_counter() - start:.1f} s", flush=True)
    from drawing import GIB, worker  # noqa: PLC0415
    from full_size import FOLDER  # noqa: PLC0415

    from worker.flux.checkpoint import Checkpoint  # noqa: PLC0415

    checkpoint = Checkpoint(FOLDER)
    worker(checkpoint, memory_plan="full")
    done.set()
    thread.join()
    size, host = round(checkpoint.check() / 1e9, 1), round(peak[0] / GIB, 2)
    print("READY " + json.dumps({"gigabytes": size, "host_peak_gib": host}), flush=True)


def main() -> None:
    start = time.perf_counter()
    code = "from full_size import write_large_parts as write; write()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
    print(f"written in {time.perf_counter() - start:.0f} s", flush=True)
    cold = 0.0
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor", "TRITON_CACHE_DIR": f"{cache}/triton"}
        # As an image has its packages; a machine that forbids bytecode would compile them at each start.
        env |= {"PYTHONPYCACHEPREFIX": f"{cache}/bytecode"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for state in ("cold", "warm"):
            start = time.perf_counter()
            command = [sys.executable, __file__, "ready"]
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout
                found = {}
                for line in process.stdout:
                    print(line, end="", flush=True)
                    if line.startswith("READY "):
                        seconds = round(time.perf_counter() - start, 1)
                        found = json.loads(line.removeprefix("READY "))
            assert process.returncode == 0, f"{state}: ended with {process.returncode}"
            cold = cold or seconds
            fields = {
                "part": "loading",
                "cache": state,
                "seconds": seconds,
                "of cold": round(seconds / cold, 2),
            } | found
            print("RESULT " + json.dumps(fields), flush=True)


if __name__ == "__main__":
    ready() if sys.argv[1:] == ["ready"] else main()
