"""`make serve` runs the whole stack on this machine, under supervisord, in the foreground. `make worker` (`python -m
shared.serve worker`) runs generate workers only, for a stack on another machine.

Settings: HOST, PORT, DATA_DIR, REDIS_URL (set: no embedded Valkey), REDIS_MAXMEMORY, GENERATE_WORKERS, FLOWER_ENABLED,
METRICS_PORT (the first of several), and those of each process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from shared.addresses import is_loopback
from shared.gpus import list_gpus, named
from shared.settings import CONFIG, AtHome, BasicAuth, Host, LogFormat, RedisUrl, load, refuse
from shared.stack import embedded_redis, supervision
from shared.stack.folders import make_folder, refuse_unquotable
from shared.stack.ports import Port, free_port, refuse_taken

FLOWER_DEFAULT = "logo:logo"


class ServeSettings(BaseSettings):
    model_config = CONFIG

    host: Host = "0.0.0.0"  # noqa: S104 - the API's own default
    port: int = Field(7860, ge=1, le=65535)
    data_dir: Annotated[Path, AtHome] = Field(Path("data"), description="Files of the embedded Valkey and supervisord.")
    redis_url: RedisUrl | None = Field(None, description="Set: this server instead of an embedded one.")
    # Of so many digits: from 2^64 bytes on, Valkey makes another number of them, or no bound.
    redis_maxmemory: str = Field("2gb", pattern=r"^([0-9]{1,15}|[0-9]{1,12}kb|[0-9]{1,9}mb|[0-9]{1,6}gb)$")
    torch_device: str = "auto"
    gpu: str = "auto"
    generate_workers: int | None = Field(
        None, ge=0, le=64, description="Unset: one for each available card; 0: all are elsewhere (`make worker`)."
    )
    log_format: LogFormat | None = None
    metrics_host: Host = "127.0.0.1"
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Of the finisher; the sweeper, generate and webhook workers get the next ones."
    )
    webhook_secrets: str | None = Field(None, description="Set: a webhook worker runs too.")
    webhook_secrets_by_key: str | None = Field(None, description="Likewise.")
    keys_file: str | None = Field(None, description="Likewise, because its keys may have webhook secrets.")
    flower_enabled: bool = False
    flower_address: Host = "127.0.0.1"
    flower_port: int = Field(5555, ge=1, le=65535)
    flower_basic_auth: BasicAuth = SecretStr(FLOWER_DEFAULT)


def main() -> None:
    try:
        _start()
    except KeyboardInterrupt:  # before the supervisor runs
        raise SystemExit(130) from None


def _start() -> None:
    if sys.argv[1:] not in ([], ["worker"]):
        raise SystemExit("usage: python -m shared.serve [worker]")
    only_workers = bool(sys.argv[1:])
    _open_standard_streams()
    config = load(ServeSettings)
    refuse_unquotable((config.data_dir.resolve(), Path(sys.executable)))
    supervision.check_settings(only_workers=only_workers)
    gpus = 0 if config.torch_device in ("cpu", "mps") else _usable_gpus(config.gpu)
    count = generate_workers(config, gpus)
    data = config.data_dir.resolve()
    run = data / ("worker" if only_workers else "run")
    make_folder(run)
    redis_url, redis_program = config.redis_url, ""
    if only_workers:
        if redis_url is None:
            raise SystemExit("setting REDIS_URL: generate workers alone need the Redis of a stack")
        if not count:
            refuse("setting GENERATE_WORKERS=0: this machine was asked for generate workers alone")
        programs = supervision.workers(count)
    else:
        _refuse_default_password(config)
        webhooks = bool(config.webhook_secrets or config.webhook_secrets_by_key or config.keys_file)
        programs = supervision.stack(count, webhooks=webhooks, flower=config.flower_enabled)
    refuse_taken(_listening(config, programs))
    if redis_url is None:
        redis_url, redis_program = _embedded_redis(data, config.redis_maxmemory)
    # In a terminal the logs are text and supervisord reports too; otherwise they are JSON for a log collector.
    log_format = config.log_format or ("text" if os.isatty(1) else "json")
    (run / "supervisord.conf").write_text(
        supervision.supervisord(verbose=log_format == "text")
        + redis_program
        + supervision.programs(programs, config.metrics_port),
        encoding="utf-8",
    )
    where = f"http://{_reached(config.host)}:{config.port}"
    health = [] if only_workers else [f"{where}/health/live"]
    health += supervision.health_urls(programs, _reached(config.metrics_host), config.metrics_port)
    (run / "health_urls").write_text("\n".join(health), encoding="utf-8")
    os.environ |= {"REDIS_URL": redis_url, "LOG_FORMAT": log_format, "PYTHONUNBUFFERED": "1", "REVISION": _revision()}
    os.environ |= {
        "FLOWER_ADDRESS": config.flower_address,
        "FLOWER_PORT": str(config.flower_port),
        "FLOWER_BASIC_AUTH": config.flower_basic_auth.get_secret_value(),
    }
    what = f"{count} generate worker(s)" if only_workers else f"serving on {where}"
    os.environ |= _without_proxy()
    with contextlib.suppress(OSError):  # the supervisor knows what to do about an output that takes nothing
        print(f"{what} with {gpus or 'no'} GPU(s), data in {data}; Ctrl-C stops everything", flush=True)  # noqa: T201 - for a terminal
    os.execv(sys.executable, supervision.command(run))  # noqa: S606


def generate_workers(config: ServeSettings, gpus: int) -> int:
    """The number of generate workers: GENERATE_WORKERS, else one for each card, and for each card that GPU names."""
    if config.generate_workers is not None:
        return config.generate_workers
    return max(1, gpus if config.gpu == "auto" else min(gpus, len(config.gpu.split(","))))


def _usable_gpus(wanted: str) -> int:
    """:raises SystemExit: there are cards, and GPU names none of them."""
    gpus = list_gpus()
    usable = named(gpus, wanted)
    if gpus and not usable:
        refuse(f"setting GPU={wanted!r}: not among this machine's {[(gpu.index, gpu.uuid) for gpu in gpus]}")
    return len(usable)


def _embedded_redis(data: Path, maxmemory: str) -> tuple[str, str]:
    """The URL of the embedded Valkey, and its program for supervisord."""
    folder = data / "redis"
    make_folder(folder)
    try:
        os.close(embedded_redis.lock(folder))
    except BlockingIOError:
        raise SystemExit(f"DATA_DIR {data} is in use by another `make serve`, here or in another container") from None
    conf = data / "run" / "valkey.conf"
    url = embedded_redis.configure(conf, folder, free_port(), maxmemory)
    return url, supervision.redis(embedded_redis.command(conf, folder))


def _refuse_default_password(config: ServeSettings) -> None:
    default = config.flower_basic_auth.get_secret_value() == FLOWER_DEFAULT
    if config.flower_enabled and default and not is_loopback(config.flower_address):
        refuse(
            f"setting FLOWER_BASIC_AUTH: its default is public, and others reach FLOWER_ADDRESS"
            f" {config.flower_address}; set a password"
        )


def _without_proxy() -> dict[str, str]:
    """The variables by which the programs reach this machine, such as a collector of traces, without a proxy."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = given if given == "*" else ",".join(filter(None, (given, "localhost,127.0.0.1,::1")))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def _open_standard_streams() -> None:
    """Gives each closed standard stream /dev/null, so that no file of ours gets its number and the logs with it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def _listening(config: ServeSettings, programs: dict[str, str]) -> list[Port]:
    """The ports of the programs, in the order in which they are said to be taken."""
    named = {
        "api": Port("PORT", config.host, config.port),
        "flower": Port("FLOWER_PORT", config.flower_address, config.flower_port),
    }
    metrics = supervision.metrics_ports(programs, config.metrics_port)
    return [
        *(port for name, port in named.items() if name in programs),
        *(Port("METRICS_PORT", config.metrics_host, number) for number in metrics),
    ]


def _reached(host: str) -> str:
    """The host part of a URL by which this machine reaches a server that listens on `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not listened on
    return f"[{host}]" if ":" in host else host


def _revision() -> str:
    """The commit that runs, from REVISION or git; empty if neither is available."""
    if given := os.environ.get("REVISION"):
        return given
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - a fixed command
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    main()
