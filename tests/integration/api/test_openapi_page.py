"""The OpenAPI page is complete: each call's fields, headers and errors, and examples that the server takes."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from api.app import create_app
from api.errors import STATUS, statuses_by_code
from api.settings import ApiSettings
from shared.ledger import reads

PAGE = create_app(ApiSettings(_env_file=None)).openapi()
SCHEMAS = PAGE["components"]["schemas"]
CALLS = {(method, path): call for path, calls in PAGE["paths"].items() for method, call in calls.items()}
ANSWERS = [(*name, status, answer) for name, call in CALLS.items() for status, answer in call["responses"].items()]
REQUESTS = {name: call for name, call in CALLS.items() if "requestBody" in call}
OF_AN_IMAGE = {("post", "/v1/images/edits"), ("post", "/v1/images/variations")}  # alone
# Each call with its operation id: generated clients name their functions, types and files by it.
CONTRACT = {
    ("get", "/"): "root",
    ("get", "/health"): "health",
    ("get", "/health/live"): "alive",
    ("get", "/health/ready"): "ready",
    ("get", "/metrics"): "scrape",
    ("post", "/api/generate_logo"): "generate_logo",
    ("post", "/api/jobs"): "submit_job",
    ("get", "/api/jobs"): "list_jobs",
    ("get", "/api/jobs/{job_id}"): "get_job",
    ("delete", "/api/jobs/{job_id}"): "cancel_job",
    ("get", "/api/jobs/{job_id}/events"): "follow_job",
    ("get", "/api/jobs/{job_id}/images/{name}"): "get_image",
    ("get", "/api/usage"): "get_usage",
    ("post", "/v1/images/generations"): "generate_images",
    ("get", "/v1/models"): "list_models",
    ("get", "/v1/models/{model}"): "get_model",
}


def examples(answer):
    """The examples of a documented answer; those of errors are by code."""
    for content in answer.get("content", {}).values():
        yield from ({"": content["example"]} if "example" in content else {}).items()
        yield from ((code, example["value"]) for code, example in content.get("examples", {}).items())


def body_schema(call):
    return SCHEMAS[call["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]


def test_it_has_every_call_of_the_contract():
    assert set(CALLS) >= set(CONTRACT)
    assert all(call.get("description") or call.get("summary") for call in CALLS.values())
    assert list(PAGE["webhooks"]) == ["job.ended"]


def test_generated_clients_get_short_names_that_stay():
    ids = {name: call["operationId"] for name, call in CALLS.items()}
    assert ids.items() >= CONTRACT.items()
    assert len(set(ids.values())) == len(ids)
    assert [name for name in ids.values() if not re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", name)] == []
    assert PAGE["webhooks"]["job.ended"]["post"]["operationId"] == "job_ended"


def test_generators_take_every_parameter_and_answer():
    """No header is a list: a generator leaves out the whole call. Each content has a schema: else it has no type."""
    for name, call in CALLS.items():
        for parameter in call.get("parameters", []):
            kinds = [kind.get("type") for kind in parameter["schema"].get("anyOf", [parameter["schema"]])]
            assert parameter["in"] != "header" or "array" not in kinds, (name, parameter["name"])
    contents = [(*found, kind) for *found, answer in ANSWERS for kind in answer.get("content", {}).items()]
    assert [content[:3] for content in contents if not content[3][1].get("schema")] == []
    shown = {kind: content["schema"] for *_, (kind, content) in contents}
    assert shown["image/png"] == {"type": "string", "format": "binary"}
    assert shown["text/event-stream"]["type"] == "string"


def test_no_schema_has_the_name_of_another_ones_field():
    """A generator names the type of an object in a field by both, as PredictionInput, and leaves out what clashes."""
    named = {
        schema + "".join(word.title() for word in field.split("_"))
        for schema, body in SCHEMAS.items()
        for field, kind in body.get("properties", {}).items()
        if any(part.get("type") == "object" for part in kind.get("anyOf", [kind]))
    }
    assert named & set(SCHEMAS) == set()


def test_bounds_of_numbers_have_the_names_of_json_schema():
    assert re.findall(r'"(?:ge|gt|le|lt)": ', json.dumps(PAGE)) == []


def test_every_reference_leads_to_a_schema():
    references = re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(PAGE))
    assert set(references) <= set(SCHEMAS)


def test_every_field_and_parameter_of_a_request_is_described():
    for name, call in CALLS.items():
        bare = [parameter["name"] for parameter in call.get("parameters", []) if not parameter.get("description")]
        assert bare == [], name
    for name, call in REQUESTS.items():
        assert [
            field for field, rest in body_schema(call)["properties"].items() if not rest.get("description")
        ] == [], name


def is_replicates(path):
    return path.endswith("/predictions") or path.startswith("/v1/predictions/") or "/versions/" in path


def raised(method, path):
    """The codes that a call can answer with. Answers in other tests are checked against the page too (conftest.py)."""
    codes = {"internal_error"}
    if path.startswith("/api/styles"):  # of no caller and of no job
        codes |= {"too_many_requests"}
        return codes | ({"image_not_found", "validation_error"} if path.endswith("/picture") else set())
    if path == "/health/ready":
        codes |= {"service_unavailable"}
    if path.startswith(("/api/", "/v1/")):
        codes |= {"unauthorized", "service_unavailable", "too_many_requests"}
    if path.startswith(("/api/", "/v1/images/")) or is_replicates(path):
        codes |= {"validation_error"}
    if method == "post" and not path.endswith("/cancel"):
        codes |= {"body_too_large", "queue_full", "no_room", "too_many_queued", "quota_exceeded"}
        codes |= {"content_policy_violation" if path.startswith("/v1/images/") else "content_filtered"}
    if "{job_id}" in path:
        codes |= {"job_not_found"}
    sending, of_an_image = {"too_many_bytes", "overloaded"}, {"media_type_not_taken"}
    drawing = {"job_not_successful", "generation_failed", "still_running", "images_expired", "idempotency_conflict"}
    drawing |= {"too_many_waits", *sending}
    codes |= {
        ("get", "/api/jobs"): {"overloaded"},
        ("delete", "/api/jobs/{job_id}"): {"overloaded"},
        ("get", "/api/jobs/{job_id}"): {"images_expired", "too_many_waits", *sending},
        ("get", "/api/jobs/{job_id}/events"): {"too_many_streams", "too_many_waits", "overloaded"},
        ("get", "/api/jobs/{job_id}/images/{name}"): {
            *("image_not_found", "url_not_valid", "job_not_successful", "images_expired", "range_not_satisfiable"),
            *sending,
        },
        ("post", "/api/jobs"): {
            *("idempotency_conflict", "too_many_high", "images_expired", *sending),
            *of_an_image,
            *("job_not_found", "image_not_found", "job_not_successful"),
        },
        ("post", "/api/generate_logo"): {
            *(
                "job_not_successful",
                "generation_failed",
                "still_running",
                "images_expired",
                "too_many_waits",
                "overloaded",
            ),
        },
        ("get", "/v1/models/{model}"): {"model_not_found"},
        ("post", "/v1/images/generations"): drawing,
        ("post", "/v1/images/edits"): {*drawing, *of_an_image},
        ("post", "/v1/images/variations"): {*drawing, *of_an_image},
    }.get((method, path), set())
    if is_replicates(path):
        return codes if "/versions/" in path else codes | sending
    return {"invalid_api_key" if code == "unauthorized" and path.startswith("/v1/") else code for code in codes}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_call_has_an_example_of_each_of_its_errors(name):
    shown = {}
    for status, answer in CALLS[name]["responses"].items():
        shown |= {code: (int(status), example, answer) for code, example in examples(answer) if code}
    assert set(shown) == raised(*name)
    openai = name[1].startswith("/v1/") and not is_replicates(name[1])
    for code, (status, example, answer) in shown.items():
        if is_replicates(name[1]):
            assert (set(example), example["title"]) == ({"title", "detail", "status"}, code)
        else:
            assert example["error"]["code"] == code
            # FastAPI leaves nulls out of examples: `param`.
            assert set(example["error"]) == {"code", "message"} | ({"type"} if openai else set())
        known = statuses_by_code().get(code, 400 if code == "content_policy_violation" else 401)
        assert status == (400 if openai and code == "validation_error" else known)
        assert ("Retry-After" in answer["headers"]) == (status in (429, 503, 504))
        assert ("X-Should-Retry" in answer["headers"]) == (openai and status in (409, 429, 500, 503, 504))


def test_every_error_is_some_calls():
    known = {kind.code for kind in STATUS}
    assert known <= {code for name in CALLS for code in raised(*name)}


def test_every_json_answer_has_an_example():
    bare = [
        (m, p, s)
        for m, p, s, answer in ANSWERS
        if "application/json" in answer.get("content", {}) and not list(examples(answer))
    ]
    assert bare == []


def test_every_header_that_the_code_sets_is_on_the_page():
    source = "".join(
        path.read_text()
        for path in Path("api").rglob("*.py")
        if "client" not in path.parts and "openapi" not in path.name
    )
    names = {"Accept-Ranges", "Location", "Retry-After", *re.findall(r'headers\["([\w-]+)"\]', source)}
    names |= set(re.findall(r'"((?:ETag|[A-Z]\w+-[\w-]+))":', source)) - {"Vary"}
    shown = {header for *_, answer in ANSWERS for header in answer["headers"]}
    assert names <= shown, names - shown
    assert all("X-Request-ID" in answer["headers"] for *_, answer in ANSWERS)


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - OF_AN_IMAGE))
async def test_the_examples_of_a_request_are_taken(serve, ledger, name):
    """Those with an image need one, or a job that has one (test_image_inputs.py)."""
    method, path = name
    schema = body_schema(REQUESTS[name])
    bodies = schema["examples"]
    shown = {field for body in bodies for field in body}
    assert shown == set(schema["properties"]) - {"image", "image_number", "strength"}
    # Held calls end as soon as they may; the job goes on.
    async with serve(request_timeout=1, webhook_secrets=("whsec_" + "bmV3" * 8,)) as http:
        for answer in await asyncio.gather(*(http.request(method, path, json=body) for body in bodies)):
            assert answer.status_code in (200, 201, 202, 504), answer.text
    assert len(ledger.run(reads.queued())) == len(bodies)


async def test_answers_have_the_fields_and_headers_of_the_page(serve, succeed):
    async with serve() as http:
        headers = {"Idempotency-Key": "k", "Prefer": "wait=0"}
        body = SCHEMAS["JobRequest"]["examples"][0]
        first = await http.post("/api/jobs", json=body, headers=headers)
        succeed(first.json()["id"])
        again = await http.post("/api/jobs", json=body, headers=headers)
        page = CALLS["post", "/api/jobs"]["responses"]
        for answer in (first, again):
            documented = page[str(answer.status_code)]
            assert set(answer.json()) == set(SCHEMAS["JobView"]["properties"])
            # FastAPI leaves nulls out of examples.
            assert set(documented["content"]["application/json"]["example"]) <= set(answer.json())
            known = {name.lower() for name in documented["headers"]} | {"content-type", "content-length", "vary"}
            assert set(answer.headers) <= known
        image = await http.get(again.json()["urls"]["images"]["256"], headers={"Range": "bytes=0-1"})
        known = CALLS["get", "/api/jobs/{job_id}/images/{name}"]["responses"]["206"]["headers"]
        assert set(image.headers) <= {name.lower() for name in known} | {"content-type", "content-length", "vary"}
