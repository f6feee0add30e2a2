"""Each client of the catalogue does its documentation's example against the stack, and has an image at its end."""

import environments
import pytest
from catalogue import CLIENTS

BOTH = {"openai_sync.py", "litellm_library.py", "openai_sdk.mjs", "ai_sdk_compatible.mjs"}


def command_of(client):
    if client.environment == "node":
        return environments.node_command(client.script)
    if client.environment == "java":
        return "java", environments.HERE / "java" / client.script
    return environments.python(client.environment), environments.HERE / "python" / client.script


EXAMPLES = [client for client in CLIENTS if not client.has_own_test]


@pytest.mark.parametrize("client", EXAMPLES, ids=[client.script for client in EXAMPLES])
def test_its_example(client, run, drawn, results):
    run(*command_of(client))
    images = drawn()
    assert set(images) == {client.image}
    results[client.script] = f"{images[client.image]} PNG of {client.image}"


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.script in BOTH], ids=lambda c: c.script)
def test_a_base_url_that_ends_in_a_slash(client, run, drawn, stack):
    url = f"{stack.url}/v1/"
    run(*command_of(client), OPENAI_BASE_URL=url, OPENAI_API_BASE=url)
    assert set(drawn()) == {client.image}
