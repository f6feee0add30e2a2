"""A whole job with the client that openapi-python-client makes of the OpenAPI page."""

import os
from pathlib import Path

import httpx
from logo_generator_client import AuthenticatedClient
from logo_generator_client.api.jobs import cancel_job, get_image, get_job, list_jobs, submit_job
from logo_generator_client.api.open_ai import list_models
from logo_generator_client.models import ErrorResponse, GetJobInclude, JobRequest, JobStatus, JobView, ModelList

RUNNING = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.FINISHING)

with AuthenticatedClient(base_url=os.environ["LOGO_URL"], token="any", timeout=httpx.Timeout(70)) as client:
    body = JobRequest(prompt="a red fox head, geometric", sizes=[256])
    job = submit_job.sync(client=client, body=body, idempotency_key="python", prefer="wait=1")
    assert isinstance(job, JobView), job
    while job.status in RUNNING:
        answer = get_job.sync(job.id, client=client, wait=25, include=GetJobInclude.NONE)
        assert isinstance(answer, JobView), answer
        job = answer
    assert job.status is JobStatus.SUCCEEDED, job
    Path("256.png").write_bytes(get_image.sync_detailed(job.id, "256.png", client=client).content)

    listed = list_jobs.sync(client=client, limit=100, status=JobStatus.SUCCEEDED)
    assert listed is not None
    assert not isinstance(listed, ErrorResponse)
    assert job.id in [each.id for each in listed.jobs]
    ended = cancel_job.sync(job.id, client=client)
    assert isinstance(ended, JobView)
    assert ended.finished_at == job.finished_at

    models = list_models.sync(client=client)
    assert isinstance(models, ModelList)
    refused = submit_job.sync(client=client, body=JobRequest(prompt="ab"))
    assert isinstance(refused, ErrorResponse), refused
    assert refused.error.code == "validation_error"
    unknown = get_job.sync("3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10", client=client)
    assert isinstance(unknown, ErrorResponse), unknown
    assert unknown.error.code == "job_not_found"
