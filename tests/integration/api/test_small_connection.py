"""What takes the place of uvicorn's own in a connection behaves as that does."""

import asyncio

from api.small_connection import SmallEvent


async def echo(scope, receive, send):
    """Answers with the path and the body, in two parts."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    answer = scope["path"].encode() + b" " + body
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer[:2], "more_body": True})
    await send({"type": "http.response.body", "body": answer[2:]})


async def test_requests_that_come_together_are_answered_in_order(served):
    sent = [
        b"POST /%d HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nb%02d" % (number, number) for number in range(20)
    ]
    answers = []
    async with served(echo) as server, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.config.port)
        writer.write(b"".join(sent))
        for _ in sent:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            answers.append(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
    assert answers == [b"/%d b%02d" % (number, number) for number in range(20)]


async def test_an_event_wakes_all_that_wait_for_it():
    event = SmallEvent()
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    event.set()
    async with asyncio.timeout(30):
        first, canceled, last = await asyncio.gather(*waiting, return_exceptions=True)
    assert (first, type(canceled), last) == (True, asyncio.CancelledError, True)
    event.clear()
    assert not event.is_set()
