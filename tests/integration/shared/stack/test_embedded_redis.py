"""The embedded Redis: only one process writes the append-only file."""

import os
import subprocess
import sys

import pytest
import redis

from shared.stack import embedded_redis, serve


def test_nobody_else_reads_its_files(tmp_path):
    """Prompts stay in the append-only file after their jobs are gone."""
    folder = tmp_path / "redis"
    (folder / "appendonlydir").mkdir(parents=True)
    before = folder / "appendonlydir" / "appendonly.aof.1.incr.aof"
    before.touch(0o644)
    folder.chmod(0o755)
    write = f"touch {folder}/new"
    subprocess.run([sys.executable, "-m", "shared.stack.embedded_redis", folder, "/bin/sh", "-c", write], check=True)
    assert (folder.stat().st_mode & 0o777, (folder / "new").stat().st_mode & 0o777) == (0o700, 0o600)


def test_who_writes_the_append_only_file_holds_its_folder_until_it_ends(tmp_path):
    (tmp_path / "redis").mkdir()
    command = [sys.executable, "-m", "shared.stack.embedded_redis", str(tmp_path / "redis"), "/bin/cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdin.write(b"x")
        holder.stdin.flush()
        assert holder.stdout.read(1) == b"x"  # the process runs cat by now
        assert subprocess.run(command, input=b"", capture_output=True, check=False).returncode == 1
        with pytest.raises(SystemExit, match="is in use by another `make serve`"):
            serve._embedded_redis(tmp_path, "1gb")
    os.close(embedded_redis.lock(tmp_path / "redis"))


@pytest.mark.parametrize("name", ["jo doe", "a #b", 'say "so"', "it's", "100%", "back\\slash"])
def test_the_files_are_where_they_should_be_whatever_the_folders_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    port = serve.free_port()
    url = embedded_redis.configure(folder / "valkey.conf", folder, port, "64mb")
    with subprocess.Popen(embedded_redis.command(folder / "valkey.conf", folder)) as server:
        try:
            retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)
            with redis.Redis.from_url(url, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
                client.set("a", "1")
                assert client.config_get("dir") in ({"dir": str(folder)}, {b"dir": bytes(folder)})
        finally:
            server.terminate()
    assert (folder / "appendonlydir").is_dir()
