"""What every training stage shares: the moving average, the learning rate schedule, checkpoints and the log."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from worker.mini.config import StageConfig


class OutOfTime(Exception):
    """The time of this run is over. A checkpoint has been written, from which the same command resumes."""


class Stage:
    """A stage's model, its moving average and its optimizer, which are saved and resumed together.

    `deadline` is a `time.monotonic()`. `descend` trains one step and moves the average.
    """

    def __init__(self, name: str, model: nn.Module, config: StageConfig, folder: Path, deadline: float) -> None:
        self.name, self.model, self.config, self.deadline = name, model, config, deadline
        self.average = deepcopy(model).requires_grad_(requires_grad=False)
        self.step, self.seconds = 0, 0.0
        fused = next(model.parameters()).is_cuda
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.rate, betas=(0.9, 0.95), weight_decay=0.01, fused=fused
        )
        self._path, self._log = folder / f"{name}.pt", folder / f"{name}.jsonl"
        self._start = time.monotonic()
        if self._path.exists():
            self._load(torch.load(self._path, weights_only=True))

    @property
    def finished(self) -> bool:
        return self.step >= self.config.steps

    def rate(self) -> float:
        """The learning rate of the next step: a linear rise, a level, and a linear fall over the last `fall` of the
        steps. Before the fall begins, the number of steps may be changed without affecting the steps already trained.
        """
        config = self.config
        rise = min(1.0, (self.step + 1) / config.warmup_steps)
        fall = min(1.0, 0.02 + (1 - self.step / config.steps) / config.fall)
        return config.rate * rise * fall

    def descend(self, loss: torch.Tensor) -> None:
        """Trains one step on `loss`: updates the model, then the moving average."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        keep = min(self.config.ema, (1 + self.step) / (10 + self.step))
        averages: list[torch.Tensor] = list(self.average.parameters())
        values: list[torch.Tensor] = [value.detach() for value in self.model.parameters()]
        torch._foreach_lerp_(averages, values, 1 - keep)
        self.step += 1

    def check_time(self) -> None:
        """Raises OutOfTime after the deadline."""
        if time.monotonic() > self.deadline:
            self.save()
            raise OutOfTime

    def log(self, **values: float) -> None:
        line = {"step": self.step, "seconds": round(self._elapsed(), 1)} | values
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(self.name, line, flush=True)  # noqa: T201 - a command's progress

    def save(self) -> None:
        state: dict[str, Any] = {"step": self.step, "seconds": self._elapsed()}
        for part in ("model", "average", "optimizer"):
            state[part] = getattr(self, part).state_dict()
        torch.save(state, self._path.with_suffix(".new"))
        self._path.with_suffix(".new").replace(self._path)

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._start

    def _load(self, state: dict[str, Any]) -> None:
        self.step, self.seconds = state["step"], state["seconds"]
        for part in ("model", "average", "optimizer"):
            getattr(self, part).load_state_dict(state[part])


def batch_numbers(seed: int, step: int, total: int, batch: int) -> torch.Tensor:
    """The numbers of a step's examples, the same after a resume."""
    return torch.randint(total, (batch,), generator=torch.Generator().manual_seed(seed * 1_000_003 + step))


def noise_source(seed: int, step: int, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed * 1_000_033 + step)


def slices(total: int, size: int) -> Iterable[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))
