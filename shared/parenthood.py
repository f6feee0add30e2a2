"""Lets a child process end with the process that started it."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signal import Signals

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_prctl: Any = getattr(ctypes.CDLL(None), "prctl", None)  # looked up before any fork


def end_with(parent: int, number: Signals) -> None:
    """Called in a new child, before it becomes a program: the program gets the signal when `parent` ends, however that
    ends. Linux only.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
