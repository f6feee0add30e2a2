"""supervisord's configuration: which programs, with which ports, and how each is started again and stopped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Together under ten seconds: the workers' time to end a job, then Valkey's to close its file.
STOP_SECONDS, REDIS_STOP_SECONDS = 6, 3
# Have no port for their metrics: the API has them on its own, Flower has others.
_WITHOUT_METRICS = ("api", "flower")


def stack(generate_workers: int, *, webhooks: bool, flower: bool) -> dict[str, str]:
    """Each program's arguments to Python, in the order of their metrics' ports."""
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


def health_urls(of: dict[str, str], host: str, metrics_port: int) -> list[str]:
    return [f"http://{host}:{port}/health" for port in _ports(of, metrics_port).values() if port]


def supervisord(run: Path, *, verbose: bool) -> str:
    return f"""[supervisord]
nodaemon=true
silent={str(not verbose).lower()}
logfile={run / "supervisord.log"}
logfile_maxbytes=1MB
logfile_backups=1
pidfile={run / "supervisord.pid"}
"""


def redis(command: str) -> str:
    return f"""
[program:redis]
command={command}
priority=1
{_policy(REDIS_STOP_SECONDS)}
"""


def programs(of: dict[str, str], metrics_port: int) -> str:
    """One group, so that they are stopped together, before Redis is."""
    ports = _ports(of, metrics_port)
    # For Flower: what it could do to a task would bypass the ledger; a worker that was started anew has a new name.
    settings = 'FLOWER_READ_ONLY="true",FLOWER_PURGE_OFFLINE_WORKERS="3600"'
    texts = (
        f"""
[program:{name}]
command={sys.executable} {arguments}
environment=METRICS_PORT="{ports[name]}",{settings}
{_policy(STOP_SECONDS)}
"""
        for name, arguments in of.items()
    )
    return f"{''.join(texts)}\n[group:stack]\nprograms={','.join(of)}\npriority=10\n"


def _ports(of: dict[str, str], first: int) -> dict[str, int]:
    """0: none."""
    scraped = [name for name in of if name not in _WITHOUT_METRICS]
    return dict.fromkeys(of, 0) | {name: first and first + number for number, name in enumerate(scraped)}


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
