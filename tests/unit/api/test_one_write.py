import pytest

from api.one_write import JOINED_BYTES, OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Transport:
    def __init__(self):
        self.done = []

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")

    def is_closing(self):
        return "closed" in self.done


@pytest.mark.parametrize(
    ("writes", "sent"),
    [
        ([HEAD, b"body"], [HEAD + b"body"]),
        ([HEAD, b"bo", b"dy"], [HEAD + b"bo", b"dy"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"x" * (JOINED_BYTES + 1)], [HEAD, b"x" * (JOINED_BYTES + 1)]),
        ([CONTINUE, HEAD, b"body"], [CONTINUE, HEAD + b"body"]),
        ([CHUNKED], [CHUNKED]),
        ([CHUNKED, HEAD, b"rest"], [CHUNKED, HEAD, b"rest"]),  # a body that looks like a head
        ([HEAD, HEAD, HEAD], [HEAD + HEAD, HEAD]),
    ],
)
def test_a_head_goes_with_the_beginning_of_its_body(writes, sent):
    transport = Transport()
    one = OneWrite(transport)
    for data in writes:
        one.write(data)
    assert transport.done == sent


def test_a_head_without_a_body_is_sent_before_the_end():
    transport = Transport()
    one = OneWrite(transport)
    one.write(HEAD)
    assert (transport.done, one.is_closing()) == ([], False)
    one.close()
    assert (transport.done, one.is_closing()) == ([HEAD, "closed"], True)
