"""`python -m worker.mini.train --work DIR`: trains the CPU model from scratch and writes it to `--out`.

Stages: the corpus, the autoencoder (vae), the transformer with the text encoders (flow), the guidance (distil). After
`--minutes` it writes a checkpoint to DIR and ends; the same command resumes from there.
"""

from __future__ import annotations

import argparse
import logging
import time
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import FluxPipeline

from worker.mini import config as configuration
from worker.mini import corpus
from worker.mini.autoencoder import Painter, encode, reconstructions, train_autoencoder, whiten
from worker.mini.flow import TRAINED_TOGETHER, Denoiser, Examples, train_flow
from worker.mini.pipeline import COMPONENTS, build, parameters
from worker.mini.sheet import SAMPLE_PROMPTS, contact_sheet, draw_prompts
from worker.mini.training_state import OutOfTime, Stage

log = logging.getLogger("train")
STAGES = ("vae", "flow", "distil")


class Training:
    """`autoencoder` is the folder of a trained autoencoder to use, or None to train one."""

    def __init__(self, config: configuration.TrainingConfig, options: argparse.Namespace) -> None:
        self.config, self.work, self.autoencoder = config, options.work, options.autoencoder
        self.out = options.out or options.work / "model"
        self.deadline = time.monotonic() + 60 * options.minutes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.compiled = self.device.type == "cuda"
        self.pipeline: Any = build(config.model, config.seed).to(self.device)
        log.info("parameters %s", parameters(self.pipeline))

    def run(self, last: str) -> None:
        """Raises OutOfTime at the deadline."""
        made = corpus.make(self.config, self.work / "corpus")
        self._note("corpus")
        latents = self._latents(made)
        if last == "vae":
            return
        examples = Examples(made, latents, self.pipeline)
        flow = self._stage("flow", Denoiser(self.pipeline))
        self._train_flow(flow, examples, None)
        if last == "flow":
            return
        flow.model.load_state_dict(flow.average.state_dict())
        distil = self._stage("distil", Denoiser(self.pipeline))
        self._train_flow(distil, examples, flow.average)

    def _latents(self, made: corpus.Corpus) -> torch.Tensor:
        """The latents of every logo. Trains the autoencoder first, or loads both from an earlier run."""
        path, vae = self.work / "latents.pt", self.pipeline.vae
        if not path.exists():
            painter = Painter(made, self.device)
            self._note("shapes on the device")
            if self.autoencoder:
                vae.load_state_dict(type(vae).from_pretrained(self.autoencoder).state_dict())
                kept = type(vae).load_config(self.autoencoder)
                vae.register_to_config(**{name: kept[name] for name in ("scaling_factor", "shift_factor")})
                vae.to(memory_format=torch.channels_last)
            else:
                self._train_autoencoder(painter)
            latents = encode(vae, painter, self.config.corpus.encoded, batch=256)
            spread = latents[:2000].float().std().item()
            self._note(f"latents, spread {spread:.3f}, scaling {vae.config.scaling_factor}")
            kept = {name: vae.config[name] for name in ("scaling_factor", "shift_factor")}
            torch.save({"latents": latents, "vae": vae.state_dict(), "config": kept}, path)
            return latents
        saved = torch.load(path, weights_only=True, map_location=self.device)
        vae.load_state_dict(saved["vae"])
        vae.register_to_config(**saved["config"])
        self._note("latents of an earlier run")
        return cast("torch.Tensor", saved["latents"])

    def _train_autoencoder(self, painter: Painter) -> None:
        torch.backends.cudnn.benchmark = True
        vae = self.pipeline.vae.to(memory_format=torch.channels_last)
        stage = self._stage("vae", vae)
        try:
            train_autoencoder(stage, painter, self.config, compiled=self.compiled)
        finally:
            stage.save()
        vae.load_state_dict(stage.average.state_dict())
        before, after = reconstructions(vae, painter, count=12)
        contact_sheet([*before, *after], [""] * 24, columns=12).save(self.work / "vae.png")
        whiten(vae, painter)

    def _train_flow(self, stage: Stage, examples: Examples, teacher: Any) -> None:
        try:
            train_flow(
                stage, examples, self.config, partial(self._export, stage), teacher=teacher, compiled=self.compiled
            )
        finally:
            stage.save()
            self._export(stage)

    def _stage(self, name: str, model: Any) -> Stage:
        return Stage(name, model, getattr(self.config, name), self.work, self.deadline)

    def _export(self, stage: Stage) -> None:
        """Writes the stage's moving average as a pipeline in half precision, and a contact sheet of it."""
        average = deepcopy(stage.average)
        parts = {name: getattr(average, name) for name in TRAINED_TOGETHER}
        pipeline: Any = FluxPipeline(**self.pipeline.components | {"vae": deepcopy(self.pipeline.vae)} | parts)
        pipeline.set_progress_bar_config(disable=True)
        images = draw_prompts(pipeline, SAMPLE_PROMPTS, batch=len(SAMPLE_PROMPTS))
        contact_sheet(images, SAMPLE_PROMPTS).save(self.work / f"{stage.name}.png")
        for name in COMPONENTS:
            getattr(pipeline, name).half()
        pipeline.save_pretrained(self.out, safe_serialization=True)
        self._note(f"step {stage.step} of {stage.name} written to {self.out}")

    def _note(self, what: str) -> None:
        log.info("%s: %s", time.strftime("%H:%M:%S"), what)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where the corpus, checkpoints and logs are")
    parser.add_argument("--out", type=Path, help="where the model is written (default: WORK/model)")
    parser.add_argument("--config", type=Path, default=configuration.DEFAULT)
    parser.add_argument("--autoencoder", type=Path, help="a trained one to use, such as worker/mini/model/vae")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="time limit of this run")
    parser.add_argument("--last", choices=STAGES, default=STAGES[-1], help="the last stage to train")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    training = Training(configuration.load(options.config), options)
    try:
        training.run(options.last)
    except OutOfTime:
        log.info("out of time: the same command resumes the training")


if __name__ == "__main__":
    main()
