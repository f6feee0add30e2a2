"""The unchanged `openai` package against the stack."""

import base64

import httpx
import openai
import pytest


@pytest.fixture
def client(stack):
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_it_generates(client, stack):
    answer = client.images.generate(prompt="a red fox", model="gpt-image-1", size="256x256", n=1)
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
    assert (answer.size, answer.output_format) == ("256x256", "png")


def test_a_url_and_a_repeat_under_its_key(client, stack):
    ask = {"prompt": "a red fox", "size": "256x256", "response_format": "url"}
    urls = {client.images.generate(**ask, extra_headers={"Idempotency-Key": "openai"}).data[0].url for _ in range(2)}
    (url,) = urls
    assert stack.http.get(url).content.startswith(b"\x89PNG")


def test_two_images(client):
    answer = client.images.generate(prompt="a red fox", size="256x256", n=2)
    images = [base64.b64decode(image.b64_json) for image in answer.data]
    assert [image[:4] for image in images] == [b"\x89PNG"] * 2
    assert images[0] != images[1]


def test_with_an_api_key_as_its_bearer_token(stack, start_api, tmp_path):
    """A second API on the stack's Redis, which asks for keys; the stack's workers draw."""
    api = start_api(tmp_path, stack.redis_url, API_KEYS="secret", URL_SIGNING_KEYS="s" * 32)
    ask = {"prompt": "a red fox", "size": "256x256", "output_format": "png"}
    ask["extra_headers"] = {"Idempotency-Key": "one"}  # two calls, one drawing
    try:
        with openai.OpenAI(base_url=f"{api.url}/v1", api_key="wrong", max_retries=0) as other:
            with pytest.raises(openai.AuthenticationError) as caught:
                other.images.generate(**ask)
            assert caught.value.code == "invalid_api_key"
            own = other.with_options(api_key="secret")
            opaque = own.images.generate(**ask, background="opaque", response_format="url")
            assert httpx.get(opaque.data[0].url).content.startswith(b"\x89PNG")
            auto = own.images.generate(**ask, background="auto")
            assert base64.b64decode(auto.data[0].b64_json).startswith(b"\x89PNG")
            assert (auto.background, auto.output_format) == ("opaque", "png")
    finally:
        api.process.kill()
        api.process.wait()


def test_its_errors(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="a red fox", n=5)
    assert (caught.value.param, caught.value.type) == ("n", "invalid_request_error")
