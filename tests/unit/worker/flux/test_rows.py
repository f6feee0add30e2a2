import math

import torch

from worker.flux.rows import Addend, add


def test_in_fp16_a_finite_sum_stays_finite_and_an_infinite_one_infinite():
    x = torch.tensor([6e4, -6e4, math.inf, -math.inf, math.nan, 1.0], dtype=torch.float16).view(1, 1, 6)
    part = torch.tensor([6e4, -6e4, 1.0, 1.0, 1.0, math.inf], dtype=torch.float16).view(1, 1, 6)
    add(x, Addend(torch.ones(1, 6, dtype=torch.float16), [part]))
    most = torch.finfo(torch.float16).max
    expected = torch.tensor([most, -most, math.inf, -math.inf, math.nan, math.inf], dtype=torch.float16)
    torch.testing.assert_close(x.flatten(), expected, equal_nan=True)
