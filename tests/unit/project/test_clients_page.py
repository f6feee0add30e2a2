"""docs/clients.md has a row of a run for each client of tests/clients, of the version in its lock."""

import re
from pathlib import Path

from tests.clients.catalogue import CLIENTS, HERE

PAGE = (Path(__file__).parents[3] / "docs" / "clients.md").read_text()
ROWS = re.findall(r"^\| (\w+): `(.+?)` \| (\S+) \| `(\S+?)`: .* \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_client_has_its_row():
    assert [(language, package, script) for language, package, _, script, _ in ROWS] == [
        (client.language, client.package, client.script) for client in CLIENTS
    ]
    assert len(CLIENTS) >= 20


def test_the_versions_are_those_of_the_locks():
    of_the_machine = ("java", "curl")
    locked = {client.script: client.version for client in CLIENTS if client.environment not in of_the_machine}
    assert {script: version for *_, version, script, _ in ROWS if script in locked} == locked


def test_every_script_is_some_clients():
    scripts = {
        path.name for folder in ("python", "node", "java") for path in (HERE / folder).glob("*.*") if path.is_file()
    }
    others = {"openai_errors.py", "openai_errors.mjs", "webhook_receiver.py", "webhook_receiver.mjs", "jobs.mjs"}
    assert scripts - others - {"package.json", "package-lock.json"} <= {client.script for client in CLIENTS}
