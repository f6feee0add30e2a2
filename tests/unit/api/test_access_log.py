import asyncio

import pytest

from api.access_log import AccessLog, is_sane_request_id


@pytest.mark.parametrize(
    ("value", "sane"),
    [
        ("b7e1-4a", True),
        ("a" * 128, True),
        ("", False),
        ("a" * 129, False),
        ("a b", False),
        ("a\nb", False),
        ("ä", False),
    ],
)
def test_sane_request_ids(value, sane):
    assert is_sane_request_id(value) is sane


@pytest.mark.parametrize("submitted", [True, False])
async def test_a_call_that_the_end_of_the_process_cuts_is_not_drawn_twice(submitted):
    async def cut(scope, *_):
        scope["state"]["submitted"] = submitted
        raise asyncio.CancelledError

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/images/generations", "state": {}}
    with pytest.raises(asyncio.CancelledError):
        await AccessLog(cut, observe=lambda *_: None)(scope, None, send)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers.get(b"x-should-retry")) == (503, b"false" if submitted else None)
