"""The first version's way: the call itself draws, in a thread of the one process, with no queue and nothing kept."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Wish(BaseModel):
    prompt: str
    sizes: list[int] = [256, 512, 1024]


@app.get("/ready")
def ready() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/jobs")
def draw(wish: Wish) -> dict[str, object]:
    return {"prompt": wish.prompt, "images": dict.fromkeys(map(str, wish.sizes), "")}
