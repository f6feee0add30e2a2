"""The embedded Redis: only one process writes the append-only file."""

import os
import subprocess
import sys

import pytest

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
