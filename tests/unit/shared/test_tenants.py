"""keys.toml: what is taken, and that what is not is named in one line."""

from datetime import UTC, datetime

import pytest

from shared import tenants
from shared.jobs import Priority
from shared.tenants import Tenants

A, B = "a" * 64, "b" * 64
SHOP = f'[[key]]\nname = "shop"\nhash = "{A}"\n'


def entry(**fields):
    return "[[key]]\n" + "".join(
        f"{name} = {value}\n" for name, value in ({"name": '"b"', "hash": f'"{B}"'} | fields).items()
    )


def test_a_whole_entry():
    text = entry(
        weight="2",
        max_queued="10",
        rate='"60/minute"',
        quota_images="1000",
        priorities='["low", "normal"]',
        webhook_secrets=f'["whsec_{"bmV3" * 8}"]',
        expires_at="2027-01-31",
        result_ttl_seconds="60",
        job_ttl_seconds="120",
    )
    found = tenants.parse(SHOP + text)
    assert found[A].weight == 1
    assert found[A].priorities == tuple(Priority)
    assert found[B].priorities == (Priority.LOW, Priority.NORMAL)
    assert found[B].expires_at == datetime(2027, 1, 31, tzinfo=UTC)
    assert found[B].is_valid(datetime(2027, 1, 30, tzinfo=UTC))
    assert not found[B].is_valid(datetime(2027, 1, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (entry(weight="0"), "key 2 (b): weight: "),
        (entry(weight="nan"), "key 2 (b): weight: "),
        (entry(weight='"two"'), "key 2 (b): weight: "),
        (entry(quota_images="-1"), "key 2 (b): quota_images: "),
        (entry(quota_gpu_seconds="-0.5"), "key 2 (b): quota_gpu_seconds: "),
        (entry(quota_images="1", quota_gpu_seconds="1"), "key 2 (b): "),
        (entry(max_queued="0"), "key 2 (b): max_queued: "),
        (entry(rate='"often"'), "key 2 (b): rate: "),
        (entry(priorities="[]"), "key 2 (b): priorities: "),
        (entry(priorities='["urgent"]'), "key 2 (b): priorities.0: "),
        (entry(webhook_secrets='["whsec_short"]'), "key 2 (b): webhook_secrets.0: "),
        (entry(hash='"secret"'), "key 2 (b): hash: "),
        (entry(name='"a b"'), "key 2 (a b): name: "),
        (entry(name="7"), "key 2: name: "),
        (entry(wieght="2"), "key 2 (b): wieght: "),
        (entry(expires_at='"soon"'), "key 2 (b): expires_at: "),
        (entry(name='"shop"'), "name: two keys have shop"),
        (entry(hash=f'"{A}"'), "hash: two keys have a"),
        ("[shop]\n", "shop: unknown"),
        ("[[key]]\nname = \n", "line 5"),
        ('[[key]]\nhash = "x', "nterminated"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(text, problem):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as raised:
        tenants.parse(SHOP + text)
    assert problem in str(raised.value)
    assert "whsec_short" not in str(raised.value)


def test_one_table_instead_of_a_list_is_refused():
    with pytest.raises(ValueError, match="two brackets"):
        tenants.parse(SHOP.replace("[[key]]", "[key]"))


@pytest.mark.parametrize("content", [SHOP + "[[key", "\udcff", None])
def test_a_broken_file_keeps_the_last_good_one(tmp_path, content):
    file = tmp_path / "keys.toml"
    file.write_text(SHOP)
    known = Tenants(file)
    assert (known.of(A).name, known.of(B), known.broken) == ("shop", None, False)
    if content is None:
        file.unlink()
    else:
        file.write_text(content, errors="surrogateescape")
    assert (known.of(A).name, known.broken) == ("shop", True)
    new = tmp_path / "new.toml"
    new.write_text(entry())
    new.replace(file)
    assert (known.of(A), known.of(B).name, known.broken) == (None, "b", False)
