"""The guide's commands, from the submit to the image, as they are written."""

import json
import re
import subprocess

import environments
import pytest

GUIDE = (environments.HERE.parents[1] / "docs" / "client-guide.md").read_text()
COMMANDS = re.findall(r"^curl (?:.*\\\n)*.*$", GUIDE, re.MULTILINE)


@pytest.fixture
def curl(stack, tmp_path):
    def _curl(part, job_id=""):
        """Runs the first command of the guide that has this part."""
        command = next(command for command in COMMANDS if part in command).replace("http://HOST:7860", stack.url)
        shell = f"KEY=guide\nID={job_id}\n{command}"
        return subprocess.run(["sh", "-ec", shell], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    return _curl


def test_the_commands_of_the_guide(curl, drawn, results):
    job_id = json.loads(curl("/api/jobs -H"))["id"]
    assert json.loads(curl("/api/jobs -H"))["id"] == job_id
    while json.loads(curl("?wait=25", job_id))["status"] != "succeeded":
        pass
    curl("-o 512.png", job_id)
    assert drawn() == {"512x512": 1}
    assert "event: done" in curl("/events", job_id)
    assert job_id in curl("?limit=20")
    assert json.loads(curl("-X DELETE", job_id))["status"] == "succeeded"
    assert json.loads(curl("/v1/images/generations"))["size"] == "512x512"
    results["test_curl.py"] = "1 PNG of 512x512"
