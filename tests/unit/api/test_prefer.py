import pytest

from api.prefer import wait_seconds


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["wait=10"], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", 'Wait = "7"; x=1'], 7),
        (["wait=10, wait=20"], 10),
        (["wait=0"], 0),
        (["wait=600"], 60),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=soon"], None),
        (["wait"], None),
        (["waiting=3"], None),
        (["wait=" + "9" * 4000], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_preference(lines, seconds):
    assert wait_seconds(lines, 60) == seconds
