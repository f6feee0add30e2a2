"""The unchanged `openai` package against the stack."""

import base64

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


def test_its_errors(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="a red fox", n=5)
    assert (caught.value.param, caught.value.type) == ("n", "invalid_request_error")
