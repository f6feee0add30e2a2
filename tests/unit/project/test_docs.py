"""The documentation names what exists, and all of it: settings, metrics, alerts, make targets."""

import re
from pathlib import Path

import pytest
import yaml

from api.settings import ApiSettings
from shared.observability import metrics
from shared.stack.serve import ServeSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[3]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"))
}
ALL = "\n".join(PAGES.values())
MAKEFILE = (ROOT / "Makefile").read_text()
SETTINGS = {name.upper() for kind in (ApiSettings, WorkerSettings, ServeSettings) for name in kind.model_fields}
COMPOSE = set(re.findall(r"\$\{([A-Z0-9_]+):-", (ROOT / "docker-compose.yml").read_text()))
EXAMPLE = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
MAKE_VARIABLES = set(re.findall(r"^([A-Z]+)\s*[?:]?=", MAKEFILE, re.MULTILINE)) | {"PROMPT", "SIZES"}
CODE = "\n".join(path.read_text() for folder in ("api", "worker", "shared") for path in ROOT.glob(f"{folder}/**/*.py"))
KNOWN = SETTINGS | COMPOSE | EXAMPLE | MAKE_VARIABLES
# Of the command line client, of `make bench-gpu`; constants; what the reader fills in; words of HTTP, Redis, Celery.
OTHERS = {"LOGO_URL", "LOGO_API_KEY", "PARTS", "LOAD_RETRY_SECONDS", "REPOSITORY", "PREVIOUS", "URL", "KEY"}
OTHERS |= {"GET", "HEAD", "OPTIONS", "POST", "DELETE", "HINCRBY", "SUCCESS", "FORMATS"}
OTHERS |= {"HARD_LIMIT_SECONDS", "FINISH_LIMIT_SECONDS", "ONE_MESSAGE_SECONDS", "PYTORCH_NVML_BASED_CUDA_CHECK"}
# Of Replicate, fal, Vast.ai, Hugging Face, CUDA, OpenMP, OpenTelemetry; and what the reader fills in.
FOREIGN = ("REPLICATE_", "FAL_", "VAST_", "PUBLIC_IPADDR", "HF_HOME", "CUDA_", "CUBLAS_", "OMP_", "OTEL_", "JOB_ID")
FOREIGN += ("OPENAI_", "LITELLM_")  # of the clients in docs/clients.md
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
ALERTS = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
TARGETS = set(re.findall(r"^([a-z-]+):.*?##", MAKEFILE, re.MULTILINE))


def test_every_setting_in_the_text_is_one():
    named = set(re.findall(r"[`$ ]([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b", ALL))
    named |= set(re.findall(r"`([A-Z][A-Z0-9]+)`", ALL)) | set(
        re.findall(r"(?:^|[\s`])([A-Z][A-Z0-9_]*)=", ALL, re.MULTILINE)
    )
    assert {name for name in named - KNOWN - OTHERS if not name.startswith(FOREIGN)} == set()
    assert OTHERS - named == set()


def test_every_setting_is_documented():
    """`.env.example` documents every setting; pages name only those that need more words."""
    assert EXAMPLE >= SETTINGS
    assert ".env.example" in PAGES["README.md"]


def test_every_metric_in_the_text_is_one_and_every_one_has_its_line():
    known = {definition.name for definition in metrics.ALL}
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\blogo_[a-z_]+\b", ALL)}
    assert named - known == set()
    lines = {
        (name, kind, labels, text)
        for name, kind, labels, text in re.findall(
            r"^\| `(logo_\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", ALL, re.MULTILINE
        )
    }
    assert lines == {(d.name, d.kind, ", ".join(d.labels), d.help) for d in metrics.ALL}


def test_every_alert_has_its_entry_in_the_runbook():
    assert set(re.findall(r"^### (\w+)$", PAGES["docs/runbook.md"], re.MULTILINE)) == ALERTS
    named = set(re.findall(r"\bLogo(?:[A-Z][a-z]+)+\b", ALL))
    assert {name for name in named - ALERTS if name not in CODE} == set()


def test_every_log_event_in_the_runbook_is_one():
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", PAGES["docs/runbook.md"]))
    logged = set(re.findall(r"\b(?:log\.\w+|say)\(\s*\"([a-z]+\.[a-z_]+)\"", CODE))
    assert named - logged == set()
    assert len(named) > 30


def test_every_make_target_in_the_text_is_one_and_every_one_is_in_the_text():
    named = set(re.findall(r"(?:`|^|exec |nohup |&& )make\s([a-z][a-z-]*)", ALL, re.MULTILINE))
    assert named - TARGETS == set()
    assert TARGETS - named == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (folder / path) if path else ROOT / page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:api|worker|shared|tests|deploy)/[\w./-]+\.\w+)", PAGES[page]):
        assert (ROOT / name).exists(), name


def test_files_in_the_notice_exist():
    for name in re.findall(r"\b(?:worker|tests)/[\w./-]+\.\w+", (ROOT / "NOTICE").read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_are_named_exist(page):
    files = {}  # several folders may have a file of one name
    for path in (ROOT / "tests").glob("**/test_*.py"):
        files[path.name] = files.get(path.name, "") + path.read_text()
    for file, parts in re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)((?:::\w+)*)", PAGES[page]):
        assert file in files, file
        for part in parts.split("::")[1:]:
            assert re.search(rf"^\s*(?:async )?(?:def|class) {part}\b", files[file], re.MULTILINE), f"{file}::{part}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_named_exist(page):
    for module in re.findall(r"\bpython -m ((?:api|worker|shared)[\w.]*\w)", PAGES[page]):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
