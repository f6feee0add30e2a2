"""The clients, each with the script that uses it as its documentation does, and the version in its lock."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Client:
    """One row of docs/clients.md."""

    package: str
    environment: str  # a group of Python clients, `node`, or a program of the machine
    script: str
    example: str  # which example of the client's documentation it is
    image: str = "1024x1024"  # what the example gets, one or several

    @property
    def language(self) -> str:
        return {"node": "Node", "java": "Java", "curl": "shell"}.get(self.environment, "Python")

    @property
    def has_own_test(self) -> bool:
        return self.script in ("openai_formats.py", "test_curl.py", "whole_job.ts", "whole_job.py")

    @property
    def version(self) -> str:
        if self.environment == "node":
            packages = json.loads((HERE / "node" / "package-lock.json").read_text())["packages"]
            return packages[f"node_modules/{self.package}"]["version"]
        if self.environment in ("java", "curl"):
            return self._of_this_machine()
        lock = (HERE / "python" / "locks" / f"{self.environment}.txt").read_text()
        name = re.escape(self.package.partition("[")[0])
        return re.search(rf"^{name}(?:\[.*\])?==([^\s;]+)", lock, re.MULTILINE)[1]

    def _of_this_machine(self) -> str:
        shown = subprocess.run([self.environment, "--version"], capture_output=True, text=True, check=True).stdout
        return re.search(r"\d+\.\S+", shown)[0]


CLIENTS = (
    Client("openai", "plain", "openai_sync.py", "image generation guide"),
    Client("openai", "plain", "openai_async.py", "AsyncOpenAI, raw response, a URL"),
    Client("openai", "plain", "openai_stream.py", "stream: true, partial_images: 3"),
    Client("openai", "plain", "openai_formats.py", "output_format, background: transparent"),
    Client("openai", "plain", "openai_edit.py", "images.edit of an image that it generated"),
    Client("openai", "plain", "openai_variation.py", "images.create_variation, n: 2, by URL"),
    Client("replicate", "plain", "replicate_run.py", "replicate.run"),
    Client("httpx-sse", "plain", "httpx_sse_follow.py", "connect_sse", "256x256"),
    Client("aiohttp-sse-client", "plain", "aiohttp_sse_follow.py", "EventSource", "256x256"),
    Client("requests", "plain", "requests_poll.py", "submit, poll, fetch", "256x256"),
    Client("standardwebhooks", "plain", "standardwebhooks_verify.py", "Webhook.verify", "256x256"),
    Client("svix", "plain", "svix_verify.py", "Webhook.verify", "256x256"),
    Client("litellm", "litellm", "litellm_library.py", "image_generation"),
    Client("litellm", "litellm", "litellm_proxy.py", "proxy with a config file, openai behind it"),
    Client("langchain-community", "frameworks", "langchain_dalle.py", "DallEAPIWrapper"),
    Client("pydantic-ai-slim", "frameworks", "pydantic_ai_images.py", "image generation"),
    Client("llama-index-tools-openai-image-generation", "frameworks", "llama_index_tool.py", "the tool, called"),
    Client("agno", "frameworks", "agno_dalle.py", "DalleTools"),
    Client("haystack-ai", "frameworks", "haystack_image.py", "image generator"),
    Client("semantic-kernel", "frameworks", "semantic_kernel_image.py", "OpenAITextToImage"),
    Client("openai", "node", "openai_sdk.mjs", "image generation guide"),
    Client("openai", "node", "openai_stream.mjs", "stream: true, partial_images: 3"),
    Client("@ai-sdk/openai", "node", "ai_sdk_openai.mjs", "generateImage"),
    Client("@ai-sdk/openai-compatible", "node", "ai_sdk_compatible.mjs", "image model, n: 2", "256x256"),
    Client("@langchain/openai", "node", "langchain_dalle.mjs", "DallEAPIWrapper"),
    Client("replicate", "node", "replicate_run.mjs", "replicate.run"),
    Client("eventsource", "node", "eventsource_follow.mjs", "EventSource, to its end", "256x256"),
    Client("@microsoft/fetch-event-source", "node", "fetch_event_source_follow.mjs", "fetchEventSource", "256x256"),
    Client("standardwebhooks", "node", "standardwebhooks_verify.mjs", "Webhook.verify", "256x256"),
    Client("svix", "node", "svix_verify.mjs", "Webhook.verify", "256x256"),
    Client("java", "java", "Draw.java", "java.net.http.HttpClient", "256x256"),
    Client("curl", "curl", "test_curl.py", "the commands of the guide", "512x512"),
    Client("@hey-api/openapi-ts", "node", "whole_job.ts", "client of the OpenAPI page", "256x256"),
    Client("openapi-python-client", "generated", "whole_job.py", "client of the OpenAPI page", "256x256"),
)
