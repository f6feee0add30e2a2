"""Which folders `make serve` refuses, each in one line."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shared.stack import folders

OF_ANOTHER_USER = """
import os, sys
from pathlib import Path
from shared.stack import folders
os.setgid(10001)
os.setuid(10001)
folders.make_folder(Path(sys.argv[1]))
"""


def test_a_folder_that_is_made_has_room(tmp_path):
    folders.make_folder(tmp_path / "jo doe" / "data")
    folders.make_folder(tmp_path / "jo doe" / "data")
    assert list((tmp_path / "jo doe" / "data").iterdir()) == []


def test_a_full_disk_is_said(tmp_path, monkeypatch, capsys):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            assert len(data) >= 2**20
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(SystemExit, match="2"):
        folders.make_folder(tmp_path / "data")
    assert capsys.readouterr().err == (
        f"setting DATA_DIR: {tmp_path / 'data'} cannot be written to: No space left on device\n"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("name", ["lock", "valkey.conf", "appendonlydir/appendonly.aof.manifest"])
def test_what_root_made_in_it_is_said_with_the_command_that_mends_it(name):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # one that every user may enter, as pytest's own is not
        Path(folder).chmod(0o777)
        (Path(folder) / name).parent.mkdir(exist_ok=True, mode=0o777)
        (Path(folder) / name).touch(0o600)
        command = [sys.executable, "-c", OF_ANOTHER_USER, folder]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "is another user's" in line
    assert f"chown -R 10001 {folder}" in line
