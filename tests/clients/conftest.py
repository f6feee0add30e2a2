"""Clients that nobody here wrote, in environments of their own, against the stack as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess

import environments
import pytest
from PIL import Image

from shared.stack.serve import free_port
from tests.acceptance.conftest import Stack, start_api, webhooks  # noqa: F401 - fixtures

RESULTS = environments.MADE / "results.json"
START_SECONDS, CALL_SECONDS = 300, 300


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(environments.HERE):
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(START_SECONDS + CALL_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def results():
    """The result of each client's script, kept for table.py; of what is not run, the run before."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    yield found
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1))


@pytest.fixture(scope="session")
def stack(tmp_path_factory, webhooks):  # noqa: F811 - the fixture
    """One stack for all clients. It draws in two steps: what is tried is how images are asked for and handed over."""
    settings = {
        "PORT": str(free_port()),
        "WARMUP_SIZE": "64",
        "DEFAULT_INFERENCE_STEPS": "2",
        "PREVIEWS": "true",
    } | webhooks
    shared = Stack(tmp_path_factory.mktemp("stack"), **settings)
    try:
        shared.start(until="alive")
        shared.wait_until(shared.ready, seconds=START_SECONDS)
        yield shared
    finally:
        shared.close()


@pytest.fixture
def run(stack, tmp_path):
    """Runs a command of a client in an empty folder, told of the stack by the settings that such clients have."""

    def _run(*command, url=stack.url, seconds=CALL_SECONDS, folder=tmp_path, **settings):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "LOGO_URL": url,
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_BASE": f"{url}/v1",
            "OPENAI_API_KEY": "any",
            "REPLICATE_BASE_URL": url,
            "REPLICATE_API_TOKEN": "any",
            "WEBHOOK_SECRET": stack.env["WEBHOOK_SECRETS"],
            # No test tells a client's vendor that it runs.
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "AGNO_TELEMETRY": "false",
            "DO_NOT_TRACK": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it waits for a list from a site out of reach
        }
        command = [str(part) for part in command]
        done = subprocess.run(
            command, cwd=folder, env=env | settings, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    return _run


@pytest.fixture
def drawn(tmp_path):
    """The sizes of the images that a client has written, as {'512x512': 1}."""

    def _drawn():
        sizes = {}
        for path in tmp_path.glob("**/*.png"):
            with Image.open(path) as image:
                image.verify()
            size = f"{image.width}x{image.height}"
            sizes[size] = sizes.get(size, 0) + 1
        return sizes

    return _drawn
