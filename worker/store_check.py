"""`python -m worker.store_check`: whether RESULT_STORE can be used by these settings; exit code 2 if it cannot."""

from __future__ import annotations

from shared.results import opening
from shared.settings import load
from worker.settings import WorkerSettings

if __name__ == "__main__":
    opening.check(load(WorkerSettings))
