import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["api.main", "api.server", "worker.generate", "worker.finish.main", "worker.sweeper", "shared.serve"]
)
def test_no_torch_outside_the_child_that_draws(module):
    """Because a parent with torch could touch CUDA before the fork, and an API with torch is 5 GB larger."""
    code = f"import sys, {module}; print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
