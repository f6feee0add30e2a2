"""From files on the local disk to the card: seconds, and the most anonymous memory of the host."""

import threading
import time
from pathlib import Path

from drawing import GIB, result, worker
from full_size import write_large_parts


def anonymous_bytes() -> int:
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) * 1024


def main() -> None:
    start = time.perf_counter()
    checkpoint = write_large_parts()
    writing = round(time.perf_counter() - start, 1)
    peak, done = [anonymous_bytes()], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], anonymous_bytes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    start = time.perf_counter()
    worker(checkpoint, memory_plan="full", warmup_enabled=False)
    seconds = round(time.perf_counter() - start, 1)
    done.set()
    thread.join()
    size, host = round(checkpoint.check() / 1e9, 1), round(peak[0] / GIB, 2)
    result(part="loading", gigabytes=size, seconds=seconds, host_peak_gib=host, writing_seconds=writing)


if __name__ == "__main__":
    main()
