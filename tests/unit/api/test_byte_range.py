import pytest

from api.byte_range import Unsatisfiable, part


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=2-4", slice(2, 5)),
        ("bytes=2-", slice(2, 10)),
        ("bytes=8-99", slice(8, 10)),
        ("bytes=-3", slice(7, 10)),
        ("bytes=-99", slice(0, 10)),
        ("Bytes=0-9", slice(0, 10)),
        ("bytes=2-18446744073709551615", slice(2, 10)),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("", None),
        (None, None),
    ],
)
def test_the_part(header, asked):
    assert part(header, 10) == asked


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_what_lies_behind_the_end(header):
    with pytest.raises(Unsatisfiable):
        part(header, 10)
