from itertools import product

import pytest

from shared.jobs import TRANSITIONS, Job, JobFile, JobStatus, JobWarning, is_terminal, sources
from shared.outputs import Outputs

TERMINAL = {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}


def test_every_status_has_its_transitions():
    assert set(TRANSITIONS) == set(JobStatus)


def test_terminal_states_absorb():
    assert {status for status in JobStatus if is_terminal(status)} == TERMINAL


@pytest.mark.parametrize(("source", "target"), list(product(JobStatus, JobStatus)))
def test_sources_are_the_inverse_of_transitions(source, target):
    assert (source in sources(target)) == (target in TRANSITIONS[source])


def test_only_a_finishing_job_succeeds():
    assert sources(JobStatus.SUCCEEDED) == {JobStatus.FINISHING}


def test_a_record_survives_the_round_trip():
    job = Job(
        id="x", status=JobStatus.RUNNING, prompt="ä\n", sizes=(64, 2048), seed=2**32 - 1, enhance=False, attempt=2
    )
    assert Job.from_record(job.to_record()) == job


def test_a_record_of_another_version_is_read():
    record = Job(id="x", status=JobStatus.QUEUED, prompt="p", sizes=(64,), seed=1).to_record()
    del record["finish_tries"]
    job = Job.from_record(record | {"a_field_of_the_next_version": "1"})
    assert job.finish_tries == 0


def test_outputs_and_files_survive_the_round_trip():
    job = Job(
        id="x",
        status=JobStatus.SUCCEEDED,
        prompt="p",
        sizes=(64,),
        seed=1,
        formats=("webp", "svg"),
        quality=80,
        transparent=True,
        holes="cut",
        icons=True,
        files=(JobFile("64.webp", "webp", 300, 64, 64), JobFile("icons.zip", "zip", 9000, 0, 0)),
        warnings=(JobWarning("tracing_failed", "logo.svg: ä"),),
        palette=("#ffffff", "#c8321e"),
    )
    assert Job.from_record(job.to_record()) == job
    assert job.outputs == Outputs(("webp", "svg"), 80, transparent=True, holes="cut", icons=True)


def test_a_job_of_plain_pngs_has_the_record_of_earlier_versions():
    job = Job(id="x", status=JobStatus.QUEUED, prompt="p", sizes=(64,), seed=1)
    assert not {"formats", "quality", "transparent", "holes", "icons", "files", "warnings", "palette"} & set(
        job.to_record()
    )
    assert Job.from_record(job.to_record()).outputs == Outputs()


def test_a_file_of_a_later_version_is_read():
    record = Job(id="x", status=JobStatus.SUCCEEDED, prompt="p", sizes=(64,), seed=1).to_record()
    files = '[["64.webp", "webp", 300, 64, 64, "more"]]'
    assert Job.from_record(record | {"files": files}).files == (JobFile("64.webp", "webp", 300, 64, 64),)
