"""Each refusal is the client's own exception: `openai_errors.py URL KEY`, a server with keys and a limit of RATE."""

import os
import sys

import openai


def refusal(kind, call, **options):
    try:
        call(**options)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def exhaust():
    for _ in range(int(os.environ["RATE"])):
        refusal(openai.BadRequestError, client.images.generate, prompt="x")


ask = {"prompt": "a red fox", "size": "256x256"}
other = openai.OpenAI(base_url=sys.argv[1], api_key="wrong", max_retries=0)
client = other.with_options(api_key=sys.argv[2])

assert refusal(openai.AuthenticationError, other.images.generate, **ask).code == "invalid_api_key"
unknown = {"seed_of_another_server": 1}
assert refusal(openai.BadRequestError, client.images.generate, **ask, extra_body=unknown).param in unknown
assert refusal(openai.NotFoundError, client.models.retrieve, model="gpt-5").code == "model_not_found"
chat = {"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]}
assert refusal(openai.NotFoundError, client.chat.completions.create, **chat).code == "unknown_url"
limited = refusal(openai.RateLimitError, exhaust)
assert (limited.code, int(limited.response.headers["retry-after"]) >= 1) == ("too_many_requests", True)
refusal(openai.APITimeoutError, client.with_options(timeout=0.000_001).models.list)
