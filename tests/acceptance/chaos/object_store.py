"""The store of the images in a run: a server with S3's interface, and before it a relay in a process of its own.

The server keeps what it has in memory, so the relay is what is killed: all connections end, in the middle of a put too,
and none is taken until it is started again. The server itself is paused.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from shared.stack.serve import free_port

RELAY = Path(__file__).with_name("relay.py")


class ObjectStore:
    def __init__(self, s3):
        self.s3 = s3
        self.port = free_port()
        settings = s3.settings("/logos", endpoint=f"http://127.0.0.1:{self.port}")
        self.env = {name.upper(): value for name, value in settings.items()}
        self.process = None
        self.paused = False
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, RELAY, str(self.port), str(self.s3.port)])

    def strike(self, action):
        """Whether it could be done: nothing is away twice."""
        if self.paused or self.process.poll() is not None:
            return False
        if action == "killed":
            self.process.kill()
            self.process.wait()
        else:
            self.s3.process.send_signal(signal.SIGSTOP)
            self.paused = True
        return True

    def mend(self):
        if self.paused:
            self.s3.process.send_signal(signal.SIGCONT)
            self.paused = False
        if self.process.poll() is not None:
            self.start()

    def close(self):
        self.mend()
        self.process.kill()
        self.process.wait()
