"""Four images of one job, one by one and together, and what being drawn together changes."""

import numpy as np
from drawing import draw, median_seconds, result, worker


def pixels_of(model) -> np.ndarray:
    return np.frombuffer(draw(model, 512, images=4).data, np.uint8).astype(float)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return round(float(10 * np.log10(255**2 / max(1e-9, ((a - b) ** 2).mean()))), 1)


def main() -> None:
    seconds, pixels = {}, {}
    for batch in (1, 4):
        model = worker(memory_plan="full", served_sizes="512", max_concurrent_jobs=batch)
        seconds[batch] = median_seconds(lambda run, model=model: draw(model, 512, run, images=4), 2)
        pixels[batch] = pixels_of(model)
        repeat = psnr(pixels[batch], pixels_of(model))
        result(part="variations", size=512, images=4, together=batch, seconds=seconds[batch], repeat_psnr=repeat,
               psnr_to_alone=psnr(pixels[batch], pixels[1]))  # fmt: skip
        del model


if __name__ == "__main__":
    main()
