"""`python -m shared.stack.supervisor`: supervisord, with its own options, as `make serve` needs it.

No program outlives it, however it ends. A terminal that hangs up and an output that nobody reads stop everything in
order, and so does a program that ends with SETTING_IS_WRONG: no restart makes a setting right. A full disk under the
output costs log lines only.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from supervisor import events, supervisord
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates

from shared.parenthood import end_with
from shared.settings import SETTING_IS_WRONG

if TYPE_CHECKING:
    from collections.abc import Callable


class Options(ServerOptions):  # type: ignore[misc]
    """What supervisord asks of its system."""

    exit_code = 0

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        # It may have hung up before this process began.
        self._foreground: bool | None = _in_foreground() or _hung_up()

    def stop(self) -> None:
        """Stops all programs in order, then supervisord."""
        self.mood = SupervisorStates.SHUTDOWN

    def setsignals(self) -> None:
        # `nohup` ignores the signal, and supervisord itself would not.
        stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        super().setsignals()
        if stays:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def get_signal(self) -> int | None:
        # supervisord restarts everything on SIGHUP, on a terminal that is gone.
        number: int | None = super().get_signal()
        return signal.SIGTERM if number == signal.SIGHUP else number

    def stop_without_terminal(self) -> None:
        """Called every few seconds. A terminal that hangs up sends SIGHUP to the leader of its session only, which may
        keep it to itself, as make does. Who is in the background at that time, or ignores the signal, goes on.
        """
        foreground, self._foreground = self._foreground, _in_foreground()
        if foreground and self._foreground is None and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self.stop()

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """Becomes a program, in the new child."""
        end_with(self._pid, signal.SIGKILL)
        super().execve(filename, argv, env)

    def waitpid(self) -> tuple[int | None, int | None]:
        pid, status = super().waitpid()
        wrong = pid and os.WIFEXITED(status) and os.WEXITSTATUS(status) == SETTING_IS_WRONG
        if wrong and self.mood == SupervisorStates.RUNNING and pid in self.pidhistory:
            name = self.pidhistory[pid].config.name
            print(f"{name} cannot run with its settings: everything stops", file=sys.stderr)  # noqa: T201 - not logged in a terminal
            self.exit_code = SETTING_IS_WRONG
            self.stop()
        return pid, status


class Supervisor(supervisord.Supervisor):  # type: ignore[misc]
    def __init__(self, options: Options, output: Output) -> None:
        super().__init__(options)
        self._output = output

    def runforever(self) -> None:
        # Not by `stdout_logfile=/dev/stdout`, which each start opens anew: that fails on a socket and a lost terminal.
        events.subscribe(events.ProcessLogStdoutEvent, lambda event: self._output.put(event.data))
        events.subscribe(events.Tick5Event, lambda _: self.options.stop_without_terminal())
        super().runforever()


class Output(io.TextIOBase):
    """A standard stream whose writes never raise, because an exception would end supervisord. What cannot be written is
    dropped; `closed_by_reader` is called when nobody can read it any more.
    """

    def __init__(self, descriptor: int, closed_by_reader: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._closed_by_reader = closed_by_reader

    def write(self, text: str) -> int:
        self.put(text.encode(errors="replace"))
        return len(text)

    def put(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            self._closed_by_reader()
        except OSError:
            pass  # a full disk may have room again; `stop_without_terminal` knows of a terminal that is gone


def _in_foreground() -> bool | None:
    """Whether this process is in the foreground of the terminal of its standard streams; None without a terminal."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return None


def _hung_up() -> bool:
    """Whether a standard stream is a terminal that is gone; other files say that they never were one."""
    for descriptor in (0, 1, 2):
        try:
            os.tcgetpgrp(descriptor)
        except OSError as error:
            if error.errno == errno.EIO:
                return True
    return False


def main() -> None:
    options = Options()
    output = Output(1, options.stop)
    sys.stdout, sys.stderr = output, Output(2, options.stop)
    options.realize(sys.argv[1:], doc=supervisord.__doc__)
    options.first, options.test = True, False
    with contextlib.suppress(ExitNow):
        Supervisor(options, output).main()
    raise SystemExit(options.exit_code)


if __name__ == "__main__":
    main()
