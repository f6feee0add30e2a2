"""Writes supervisord's configuration for `make serve`: the programs, their ports, and how they restart and stop."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The time for the workers to end their jobs, then for Valkey to close its file; together under the ten seconds that
# `docker stop` waits.
STOP_SECONDS, REDIS_STOP_SECONDS = 6, 3
_FILES = {"configuration": "supervisord.conf", "logfile": "supervisord.log", "pidfile": "supervisord.pid"}
# Programs without a metrics port: the API serves /metrics on its own port, Flower serves its own metrics.
_WITHOUT_METRICS = ("api", "flower")


def stack(generate_workers: int, *, webhooks: bool, flower: bool) -> dict[str, str]:
    """The arguments to Python of each program, in the order of the metrics ports."""
    return {
        "finish": "-m worker.finish.main",
        "sweeper": "-m worker.sweeper",
        **workers(generate_workers),
        **({"webhook": "-m worker.webhook.main"} if webhooks else {}),
        "api": "-m api.main",
        **({"flower": "-m celery -A shared.flower flower"} if flower else {}),
    }


def workers(count: int) -> dict[str, str]:
    return {f"generate-{number}": "-m worker.generate" for number in range(count)}


def metrics_ports(programs: Iterable[str], first: int) -> list[int]:
    return [port for port in _ports(programs, first).values() if port]


def health_urls(arguments: dict[str, str], host: str, metrics_port: int) -> list[str]:
    return [f"http://{host}:{port}/health" for port in metrics_ports(arguments, metrics_port)]


def check_settings(*, only_workers: bool) -> None:
    """Lets each side check its settings, before anything starts; what is wrong is printed once.

    :raises SystemExit: a setting is wrong.
    """
    modules = ["worker.settings"] if only_workers else ["api.settings", "worker.settings"]
    checks = [
        subprocess.Popen([sys.executable, "-m", module], env=dict(os.environ), stderr=subprocess.PIPE, text=True)  # noqa: S603
        for module in modules
    ]
    said = {line: None for check in checks for line in check.communicate()[1].splitlines()}
    if any(check.returncode for check in checks):
        refuse("\n".join(said))


def command(run: Path) -> list[str]:
    """The command that runs the programs of `run`/supervisord.conf. Its own files are named here and not in the
    configuration, which has no way to quote every path.
    """
    options = [f"--{name}={run / file}" for name, file in _FILES.items()]
    return [sys.executable, "-m", "shared.stack.supervisor", "--nodaemon", *options]


def supervisord(*, verbose: bool) -> str:
    return f"""[supervisord]
nodaemon=true
silent={str(not verbose).lower()}
logfile_maxbytes=1MB
logfile_backups=1
"""


def redis(arguments: list[str]) -> str:
    return f"""
[program:redis]
command={_words(arguments)}
priority=1
{_policy(REDIS_STOP_SECONDS)}
"""


def programs(arguments: dict[str, str], metrics_port: int) -> str:
    """The programs' configuration. They are one group, so that they stop together and before Redis."""
    ports = _ports(arguments, metrics_port)
    # For Flower: read-only, because its actions on tasks bypass the ledger; old workers are purged, because a restarted
    # worker may have a new name.
    settings = 'FLOWER_READ_ONLY="true",FLOWER_PURGE_OFFLINE_WORKERS="3600"'
    texts = (
        f"""
[program:{name}]
command={_words([sys.executable])} {python_arguments}
environment=METRICS_PORT="{ports[name]}",{settings}
{_policy(STOP_SECONDS)}
"""
        for name, python_arguments in arguments.items()
    )
    return f"{''.join(texts)}\n[group:stack]\nprograms={','.join(arguments)}\npriority=10\n"


def _words(arguments: Iterable[str]) -> str:
    """One line of words that supervisord reads back as `arguments`: after a space it takes # and ; for a comment even
    inside quotes, and % for a variable.
    """
    line = shlex.join(arguments).replace("%", "%%")
    return re.sub(r"(?<=\s)([#;])", r"""'"\1"'""", line)


def _ports(programs: Iterable[str], first: int) -> dict[str, int]:
    """The metrics port of each program, counted from `first`; 0 for none."""
    scraped = [name for name in programs if name not in _WITHOUT_METRICS]
    return dict.fromkeys(programs, 0) | {name: first and first + number for number, name in enumerate(scraped)}


def _policy(stop_seconds: int) -> str:
    return f"""autostart=true
autorestart=true
startsecs=2
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=NONE
stdout_events_enabled=true"""
