"""The real generate worker with a model that is none: for what is asked of the process, not of the pictures.

A script for `python -c` or a file calls `run`.
"""

import sys
import types

from worker.model import Device, Pixels


def blank(_drawing, _on_step):
    return Pixels(64, 64, bytes(64 * 64 * 3))


def run(generate=blank, name="stub"):
    """Runs the worker until it ends. Settings of other modules that it reads at its import are set before.

    :param generate: from a Drawing and what is told of its steps to its Pixels.
    """

    class Model:
        def __init__(self, *_):
            self.name, self.generate = name, generate

        def setup(self):
            pass

        def device(self):
            return Device("cpu", "cpu")

    sys.modules["worker.flux.model"] = types.SimpleNamespace(FluxModel=Model)
    from worker.generate import main  # noqa: PLC0415 - see above

    main.main()
