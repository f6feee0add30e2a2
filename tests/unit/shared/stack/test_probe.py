"""The probe of a container."""

import pytest

from shared.stack import probe
from shared.stack.serve import free_port


def test_the_probe_names_the_part_that_is_not_well(monkeypatch, tmp_path):
    port = free_port()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "health_urls").write_text(f"http://127.0.0.1:{port}/health\n")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match=f"127.0.0.1:{port}/health: .*refused"):
        probe.main()
