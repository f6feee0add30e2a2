"""Clients that generators make of the server's OpenAPI page compile in their strictest form, and do a whole job."""

import shutil

import environments
import pytest

SOURCES = environments.HERE / "generated"


@pytest.fixture
def page(stack, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_bytes(stack.http.get("/openapi.json").content)
    return path


def test_typescript(run, page, drawn, results):
    node, folder = environments.node_program(), environments.node() / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES, folder)  # below the folder of the packages, where they are found
    shutil.copy(page, folder)
    packages = folder.parent / "node_modules"
    run(node, packages / "@hey-api" / "openapi-ts" / "bin" / "run.js", "--silent", folder=folder)
    run(node, packages / "typescript" / "bin" / "tsc", "-p", ".", folder=folder)
    run(node, folder / "whole_job.js")
    assert drawn() == {"256x256": 1}
    results["whole_job.ts"] = "compiles with `tsc --strict`; 1 PNG of 256x256"


def test_python(run, page, drawn, results, tmp_path):
    python = environments.python("generated")
    made = tmp_path / "made"
    run(python.with_name("openapi-python-client"), "generate", "--path", page, "--output-path", made)
    assert (made / "logo_generator_client" / "api" / "jobs" / "submit_job.py").exists()
    job = shutil.copy(SOURCES / "whole_job.py", made)
    run(python, "-m", "mypy", "--strict", job, folder=made)
    run(python, job)
    assert drawn() == {"256x256": 1}
    results["whole_job.py"] = "compiles with `mypy --strict`; 1 PNG of 256x256"
