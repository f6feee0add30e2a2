"""A memory plan under the cap of the card that it is for: its peak and its seconds at 1024 pixels."""

import sys

import torch
from drawing import GIB, STEPS, draw, median_seconds, peak_gib, ready_seconds, result, used_bytes, worker

CAPS_GIB = {"8bit": 22.5, "4bit": 10.8, "offload": 8.0}
# Kernels that are loaded later take their share outside of the allocator too; the peak that is printed counts them.
LATER_GIB = 0.4


def main(plan: str) -> None:
    total = torch.cuda.mem_get_info()[1]
    context = used_bytes() - torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction(((CAPS_GIB[plan] - LATER_GIB) * GIB - context) / total)
    slow = plan == "offload"
    model = worker(memory_plan=plan, served_sizes="1024", warmup_enabled=not slow)
    ready = ready_seconds()
    steps = 6 if slow else STEPS
    seconds = median_seconds(lambda run: draw(model, 1024, run, steps=steps), 1 if slow else 2)
    result(part="memory", plan=plan, cap=CAPS_GIB[plan], peak=peak_gib(), steps=steps, seconds=seconds, ready=ready)


if __name__ == "__main__":
    main(sys.argv[1])
