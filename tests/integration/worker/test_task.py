"""The base of the workers' tasks."""

import pytest

from worker.task import JobTask


@pytest.mark.parametrize("version", [None, 1, 99])
def test_messages_of_older_and_newer_versions_are_worked_on(job, celery_app, version):
    """The ledger's record decides; a message only names it."""
    done = []

    @celery_app.task(name="any", base=JobTask)
    def task(job_id, version=1):
        done.append(job_id)

    task(job_id="job", **({} if version is None else {"version": version}))
    assert done == ["job"]
