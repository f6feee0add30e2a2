from importlib.metadata import version
from pathlib import Path

import structlog

from shared.gpus import Gpu
from worker.flux import compile_cache

CARD = Gpu(0, "GPU-1", "NVIDIA H100 80GB HBM3", 80 * 2**30)


def test_a_folder_for_each_card_and_set_of_versions(tmp_path, monkeypatch):
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/mine")
    compile_cache.use(tmp_path / "kernels", CARD)
    folder = Path(compile_cache.os.environ["TRITON_CACHE_DIR"]).parent
    assert folder.parent == tmp_path / "kernels"
    assert folder.name.startswith(f"NVIDIA-H100-80GB-HBM3-torch{version('torch')}")
    assert f"diffusers{version('diffusers')}" in folder.name
    assert compile_cache.os.environ["TRITON_CACHE_DIR"] == str(folder / "triton")
    assert compile_cache.os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/mine"


def test_nothing_without_a_card(tmp_path):
    compile_cache.use(tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_no_worker(tmp_path, monkeypatch):
    for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "of-root").touch()
    with structlog.testing.capture_logs() as logs:
        compile_cache.use(tmp_path / "of-root" / "compiled", CARD)
    assert [entry["event"] for entry in logs] == ["compile_cache.refused"]
    assert Path(compile_cache.os.environ["TRITON_CACHE_DIR"]).parents[2] == tmp_path
