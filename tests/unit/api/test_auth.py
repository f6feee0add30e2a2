import pytest

from api.auth import Keys, digest
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
