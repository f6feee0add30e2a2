import pytest

from api.auth import Keys, digest, probable_caller
from shared.errors import Unauthorized


def test_without_keys_everybody_is_the_same_owner():
    assert Keys(()).owner(None) == Keys(()).owner("anything") == ""


def test_a_key_is_its_own_owner():
    keys = Keys(("one", "two"))
    assert keys.owner("one") == digest("one") != keys.owner("two")


@pytest.mark.parametrize("offered", [None, "", "three", "on", digest("one")])
def test_no_other_key_opens(offered):
    with pytest.raises(Unauthorized):
        Keys(("one", "two")).owner(offered)


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ([(b"x-api-key", b"one")], digest("one")),
        ([(b"authorization", b"bearer two")], digest("two")),
        ([(b"x-api-key", b"wrong")], "10.0.0.1"),
        ([(b"authorization", b"Basic one")], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_a_call_is_probably_its_keys_or_its_addresses(headers, caller):
    scope = {"type": "http", "headers": headers, "client": ("10.0.0.1", 1)}
    assert probable_caller(Keys(("one", "two")), scope) == caller
    assert probable_caller(Keys(()), scope) == "10.0.0.1"
