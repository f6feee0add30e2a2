"""REDIS_URL as Celery gets it, and what is refused; tests/integration has the real servers."""

import ssl

import pytest

from api.settings import ApiSettings
from shared.redis_url import broker, check
from shared.settings import load
from shared.stack.serve import ServeSettings


@pytest.mark.parametrize(
    ("url", "for_celery"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://:pass@10.0.0.1:6380/3", "redis://:pass@10.0.0.1:6380/3"),
        ("redis://h/?db=2", "redis://h:6379/2"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        # kombu takes a semicolon for the end of one of several URLs.
        ("redis://us%65r:a%2Fb%3B;c@h", "redis://user:a%2Fb%3B%3Bc@h:6379/0"),
        ("unix:///run/a%20b/redis.sock?db=2", "redis+socket:///run/a%20b/redis.sock?virtual_host=2"),
        ("unix://u:p%40@/run/redis.sock", "redis+socket://u:p%40@/run/redis.sock?virtual_host=0"),
        ("rediss://:pass@h", "rediss://:pass@h:6379/0"),
    ],
)
def test_celery_is_given_the_same_server(url, for_celery):
    assert check(url) == url
    assert broker(url).url == for_celery


@pytest.mark.parametrize(
    ("options", "verifies", "names"),
    [
        ("", ssl.CERT_REQUIRED, True),
        ("?ssl_cert_reqs=required", ssl.CERT_REQUIRED, True),
        ("?ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE, False),
    ],
)
def test_a_certificate_is_verified_unless_the_url_says_otherwise(options, verifies, names):
    assert broker(f"rediss://h{options}").use_ssl == {"ssl_cert_reqs": verifies, "ssl_check_hostname": names}


@pytest.mark.parametrize(
    ("url", "for_celery", "name", "own"),
    [
        ("sentinel://h/primary", "sentinel://h:26379/0", "primary", {}),
        (
            "sentinel://us%65r:a%2Fb%3B;c@h:1,[::1]:2,i/my%20primary/3?sentinel_username=u&sentinel_password=p%40",
            ";".join(f"sentinel://user:a%2Fb%3B%3Bc@{place}/3" for place in ("h:1", "[::1]:2", "i:26379")),
            "my primary",
            {"username": "u", "password": "p@"},
        ),
    ],
)
def test_celery_is_given_the_same_sentinels(url, for_celery, name, own):
    found = broker(check(url))
    assert (found.url, found.use_ssl, found.sentinels.name, found.sentinels.own) == (for_celery, None, name, own)


REFUSED = [
    ("sentinel://:hush@h:26379/0", "NAME"),
    ("sentinel://:hush@h:26379", "NAME"),
    ("sentinel://:hush@/primary", "NAME"),
    ("sentinel://:hush@h,/primary", "NAME"),
    ("sentinel://:hush@h:0/primary", "NAME"),
    ("sentinel://:hush@::1/primary", "NAME"),
    ("sentinel://:hu/sh@h/primary/0", "percent-encoded"),
    ("sentinel://:hush@h/primary/main", "number"),
    ("sentinel://:hush@h/primary?ssl_ca_certs=ca.pem", "sentinel_password"),
    ("redis+sentinel://:hush@h/0", "redis://"),
    ("redis-cluster://:hush@h", "redis://"),
    ("h:6379", "redis://"),
    ("redis://:hu/sh@h:6379/0", "percent-encoded"),
    ("redis://:hush#h@h:6379/0", "percent-encoded"),
    ("redis://:hush@h:port/0", "percent-encoded"),
    ("redis://:hush@h/main", "number"),
    ("redis://:hush@h/1?db=2", "different databases"),
    ("redis://:hush@h?socket_timeout=5", "socket_timeout"),
    ("redis://:hush@h?ssl_ca_certs=ca.pem", "rediss://"),
    ("rediss://:hush@h?ssl_cert_reqs=optional", "required or none"),
    ("rediss://:hush@h?ssl_check_hostname=no", "true or false"),
    ("rediss://:hush@h?ssl_ca_certs=/no/such/ca.pem", "No such file"),
    ("rediss://:hush@h?ssl_keyfile=/etc/hostname", "ssl_certfile"),
    ("unix://run/redis.sock", "absolute path"),
    ("unix://", "absolute path"),
]


@pytest.mark.parametrize(("url", "reason"), REFUSED)
@pytest.mark.parametrize("kind", [ApiSettings, ServeSettings])
def test_what_both_clients_cannot_do_ends_the_start_with_one_line(monkeypatch, capsys, kind, url, reason):
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(SystemExit) as end:
        load(kind)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.startswith("setting REDIS_URL: ")
    assert reason in line
    assert "hush" not in line
    assert "hu/sh" not in line
