"""The asynchronous client, with the call's raw response and a model whose images come as URLs."""

import asyncio
from pathlib import Path

import httpx
from openai import AsyncOpenAI


async def main():
    async with AsyncOpenAI() as client:
        assert "dall-e-3" in [model.id async for model in client.models.list()]
        raw = await client.images.with_raw_response.generate(
            model="dall-e-3", prompt="a white siamese cat", size="1024x1024", quality="standard", n=1
        )
        assert raw.headers["x-request-id"]
        url = raw.parse().data[0].url
    async with httpx.AsyncClient() as http:
        return (await http.get(url)).content


Path("cat.png").write_bytes(asyncio.run(main()))
