"""The usual tutorial: FastAPI puts a Celery task into Redis, the client polls its AsyncResult."""

import os

from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

celery = Celery("tutorial", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app = FastAPI()


class Wish(BaseModel):
    prompt: str
    sizes: list[int] = [256, 512, 1024]


@app.get("/ready")
def ready() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/jobs", status_code=202)
def submit(wish: Wish) -> dict[str, str]:
    return {"id": celery.send_task("draw", kwargs=wish.model_dump()).id}


@app.get("/jobs/{job_id}")
def poll(job_id: str) -> dict[str, object]:
    result = AsyncResult(job_id, app=celery)
    return {"id": job_id, "status": result.status, "result": result.result if result.ready() else None}
