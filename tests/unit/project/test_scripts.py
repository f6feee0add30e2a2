import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "script",
    [
        str(path.relative_to(ROOT))
        for folder in ("tests/benchmarks/front", "tests/benchmarks/gpu", "tests/benchmarks/peers", "tests/simulation")
        for path in (ROOT / folder).glob("*.py")
    ],
)
def test_no_script_hides_a_module(script):
    """Python looks for modules in a script's folder first: a `limits.py` there is found in a library's place."""
    others = [folder for folder in sys.path if Path(folder) != ROOT and ROOT / "tests" not in Path(folder, "x").parents]
    assert PathFinder.find_spec(Path(script).stem, others) is None
