"""A job's event stream, read as aiohttp-sse-client's README does it, by its names of events."""

import asyncio
import json
import os
from pathlib import Path

import aiohttp
from aiohttp_sse_client import client as sse_client

URL = os.environ["LOGO_URL"]


async def main():
    async with aiohttp.ClientSession() as session:
        body = {"prompt": "a red fox head, geometric", "sizes": [256]}
        async with session.post(f"{URL}/api/jobs", json=body) as answer:
            job = await answer.json()
        told = {}
        async with sse_client.EventSource(URL + job["urls"]["events"]) as event_source:
            try:
                async for event in event_source:
                    told[event.type] = json.loads(event.data)
            except ConnectionError:
                pass  # the stream's end, which this client takes for a cut: its next request is answered 204
        assert "snapshot" in told
        async with session.get(URL + told["done"]["urls"]["images"]["256"]) as answer:
            return await answer.read()


Path("256.png").write_bytes(asyncio.run(main()))
