"""Replicate's predictions: its unchanged package on a real socket, and the shapes of answers and errors."""

import asyncio

import pytest
import replicate
from replicate.exceptions import ModelError, ReplicateError

from shared.ledger import moves
from shared.ledger.keys import WEBHOOKS
from tests.integration.api.conftest import until

URL = "/v1/predictions"
INPUT = {"prompt": "a red fox", "width": 128, "height": 128}
MODEL = "black-forest-labs/flux-dev"


@pytest.fixture
async def made(listen):
    client = replicate.Client(api_token="any", base_url=f"http://127.0.0.1:{await listen()}")
    client.poll_interval = 0.05
    yield client
    await client._async_client.aclose()


@pytest.mark.parametrize("ref", [MODEL, f"{MODEL}:abc"])
@pytest.mark.parametrize("wait", [True, False, 1])
async def test_run_returns_files(made, queued, succeed, ref, wait):
    run = asyncio.create_task(made.async_run(ref, input=INPUT | {"num_outputs": 2}, wait=wait))
    await until(queued)
    await asyncio.to_thread(succeed, queued()[0])
    files = await run
    assert len(files) == 2
    assert [(await file.aread())[:4] for file in files] == [b"\x89PNG"] * 2


async def test_a_prediction_from_its_create_to_its_end(made, queued, succeed, ledger):
    prediction = await made.predictions.async_create(version="abc", input=INPUT | {"seed": 7})
    assert (prediction.status, prediction.output, prediction.input["seed"]) == ("starting", None, 7)
    ledger.run(moves.claim(prediction.id, worker="v", delivery="d"))
    ledger.run(moves.renew(prediction.id, 1, step=3, steps=4))
    await prediction.async_reload()
    assert (prediction.status, prediction.progress.current, prediction.progress.percentage) == ("processing", 3, 0.75)
    ledger.run(moves.requeue(prediction.id, 1))
    await asyncio.to_thread(succeed, prediction.id)
    await prediction.async_reload()
    assert (prediction.status, len(prediction.output), prediction.error) == ("succeeded", 1, None)
    assert prediction.completed_at
    assert prediction.metrics["predict_time"] >= 0


async def test_behind_tls_the_output_has_urls(serve, succeed):
    async with serve(public_url="https://logos.example") as http:
        made = (await http.post(URL, json={"input": INPUT})).json()
        assert made["urls"]["get"] == f"https://logos.example{URL}/{made['id']}"
        await asyncio.to_thread(succeed, made["id"])
        (url,) = (await http.get(f"{URL}/{made['id']}")).json()["output"]
        assert url == f"https://logos.example/api/jobs/{made['id']}/images/128.png"


async def test_cancel_and_failure(made, queued, ledger):
    first = await made.predictions.async_create(version="abc", input=INPUT)
    await first.async_cancel()
    assert (first.status, queued()) == ("canceled", [])
    run = asyncio.create_task(made.async_run(MODEL, input=INPUT))
    await until(queued)
    ledger.run(moves.fail(queued()[0], code="poison", message="three workers", ttl_seconds=60))
    with pytest.raises(ModelError, match="three workers"):
        await run


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": INPUT | {"width": 1024}}, "input: 1024x128 is no shape from 1:4 to 4:1"),
        ({"input": INPUT | {"aspect_ratio": "16:9"}}, "input.aspect_ratio: "),
        ({"input": INPUT | {"lora": "x"}}, "input.lora: "),
        ({"input": {}}, "input.prompt: "),
        ({"input": INPUT, "webhook": "https://example.com"}, "webhook"),
        ({"input": INPUT, "webhook_events_filter": ["end"]}, "webhook_events_filter.0: "),
    ],
)
async def test_what_is_refused_is_named_in_replicates_shape(serve, ledger, body, said):
    async with serve() as http:
        answer = await http.post(URL, json=body)
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["title"]) == (422, 422, "validation_error")
        assert said in problem["detail"]


async def test_errors_have_replicates_shape(serve, listen):
    async with serve(api_keys=("k",)) as http:
        assert (await http.post(URL, json={"input": INPUT})).json()["title"] == "unauthorized"
        http.headers["Authorization"] = "Bearer k"
        assert (await http.post(URL, content=b"{")).json()["status"] == 422
        assert (await http.get(f"{URL}/3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10")).json()["title"] == "job_not_found"
        for method, path in (("DELETE", URL), ("GET", f"{URL}/x/y"), ("GET", f"/v1/deployments/{MODEL}/predictions")):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["title"]) in [(404, "unknown_url"), (405, "unknown_url")]
    made = replicate.Client(api_token="wrong", base_url=f"http://127.0.0.1:{await listen(api_keys=('k',))}")
    with pytest.raises(ReplicateError) as caught:
        await made.predictions.async_get("3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10")
    await made._async_client.aclose()
    assert (caught.value.status, caught.value.title) == (401, "unauthorized")


@pytest.mark.parametrize(("events", "sent"), [(None, 1), (["start", "completed"], 1), (["start"], 0)])
async def test_a_webhook_is_sent_where_its_filter_has_the_end(serve, succeed, ledger, events, sent):
    webhooks = {"webhook_secrets": ("whsec_" + "bmV3" * 8,), "webhook_allow_http": True}
    async with serve(**webhooks, webhook_allowed_networks=("127.0.0.0/8",)) as http:
        body = {"input": INPUT, "webhook": "http://127.0.0.1:9/"}
        prediction = (await http.post(URL, json=body | ({"webhook_events_filter": events} if events else {}))).json()
        await asyncio.to_thread(succeed, prediction["id"])
        assert ledger.client.zcard(WEBHOOKS) == sent
