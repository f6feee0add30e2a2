import pytest

from api.access_log import is_sane_request_id


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
