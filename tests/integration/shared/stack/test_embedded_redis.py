"""The embedded Redis: only one process writes the append-only file."""

import os
import subprocess
import sys

import pytest

from shared.stack import embedded_redis, serve


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
