"""What the server refuses are the clients' own exceptions, with their fields."""

import environments
import pytest

RATE = 12


@pytest.fixture
def refusing(stack, start_api, tmp_path):
    """A second API on the stack's Redis, which asks for keys and takes few submits."""
    api = start_api(tmp_path, stack.redis_url, API_KEYS="of-python,of-node", RATE_LIMIT=f"{RATE}/hour")
    yield f"{api.url}/v1"
    api.process.kill()
    api.process.wait()


def test_in_python(run, refusing):
    script = environments.HERE / "python" / "openai_errors.py"
    run(environments.python("plain"), script, refusing, "of-python", RATE=str(RATE))


def test_in_node(run, refusing):
    run(*environments.node_command("openai_errors.mjs"), refusing, "of-node", RATE=str(RATE))
