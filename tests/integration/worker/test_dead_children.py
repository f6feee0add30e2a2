"""A child that dies is replaced although Celery's pool looked for it before the system had its exit code."""

import os
import signal
import subprocess
import sys

# A finish worker whose pool looks too early each time, and never again. Its children say their process ids.
LOOKS_TOO_EARLY = """
import os, redis
from celery import signals
from celery.concurrency.asynpool import AsynPool
from worker.finish import main
AsynPool._event_process_exit = lambda self, hub, process: self._untrack_child_process(process, hub)
AsynPool.timers = {}
@signals.worker_process_init.connect(weak=False)
def tell(**_):
    redis.Redis.from_url(os.environ["REDIS_URL"]).rpush("forked", os.getpid())
signals.worker_ready.connect(lambda **_: redis.Redis.from_url(os.environ["REDIS_URL"]).rpush("ready", 1), weak=False)
main.main()
"""


def test_a_child_that_died_is_replaced(own_valkey):
    env = {"REDIS_URL": own_valkey.url, "FINISH_CONCURRENCY": "2", "LOG_FORMAT": "json"}
    with subprocess.Popen([sys.executable, "-c", LOOKS_TOO_EARLY], env=os.environ | env) as process:
        try:
            children = {int(own_valkey.popped("forked")) for _ in range(2)}
            assert own_valkey.popped("ready")
            for child in children:
                os.kill(child, signal.SIGKILL)
                successor = own_valkey.popped("forked")
                assert successor is not None
                assert int(successor) not in children
        finally:
            process.terminate()
            process.wait(60)
