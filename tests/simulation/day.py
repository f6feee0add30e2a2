"""`make day`: a day of twenty keys on three cards, drawn oldest first and by fair shares; prints how long jobs wait,
and with `--plot FILE` draws each key's 95 %.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import statistics

from PIL import Image, ImageDraw
from queues import Fair, Job, Oldest

HOURS, CARDS = 24, 3
STEADY = {
    f"app-{number:02}": rate
    for number, rate in enumerate((2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36), 1)
}
# Keys that submit many jobs at once: (hour, jobs) of each burst.
BURSTS = {
    "batch-1": [(2, 400), (14, 400)],
    "batch-2": [(9, 250), (11, 250), (16, 250)],
    "batch-3": [(10, 800)],
    "batch-4": [(hour + 0.5, 60) for hour in range(8, 20)],
}


def drawing_seconds(chosen):
    """A drawing of FLUX.1-dev in 1024 pixels and 28 steps takes 8 s on the card; one in five asks for up to four."""
    images = chosen.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 4))
    return 8 * images * chosen.lognormvariate(0, 0.25)


def jobs_of_a_day(seed):
    chosen = random.Random(seed)
    made = []
    for key, per_hour in STEADY.items():
        at = 0.0
        # From eight to twenty o'clock twice as many as on average, at night none to speak of.
        while (at := at + chosen.expovariate(2 * per_hour / 3600)) < HOURS * 3600:
            if 8 <= at / 3600 < 20 or chosen.random() < 0.05:
                made.append(Job(key, at, drawing_seconds(chosen)))
    for key, bursts in BURSTS.items():
        for hour, count in bursts:
            made += [Job(key, hour * 3600 + number * 0.2, drawing_seconds(chosen)) for number in range(count)]
    return sorted(made, key=lambda job: job.created)


def simulate(jobs, queue):
    """{key: the seconds that each of its jobs waited}."""
    waits, numbers = {}, itertools.count()
    events = [(job.created, next(numbers), "created", job) for job in jobs]
    heapq.heapify(events)
    free = CARDS
    while events:
        now, _, what, job = heapq.heappop(events)
        if what == "created":
            queue.put(job)
        else:
            queue.drawn(job)
            free += 1
        while free and (taken := queue.take()):
            free -= 1
            waits.setdefault(taken.key, []).append(now - taken.created)
            heapq.heappush(events, (now + taken.seconds, next(numbers), "drawn", taken))
    return waits


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def table(before, after, jobs):
    yield "| keys | jobs | median before | after | 95 % before | after | longest before | after |"
    yield "|---|---|---|---|---|---|---|---|"
    groups = {"the sixteen steady": list(STEADY), **{key: [key] for key in BURSTS}}
    for name, keys in groups.items():
        old, new = ([wait for key in keys for wait in found[key]] for found in (before, after))
        cells = (statistics.median, lambda waits: percentile(waits, 0.95), max)
        figures = " | ".join(f"{cell(old):.0f} s | {cell(new):.0f} s" for cell in cells)
        yield f"| {name} | {len(old)} | {figures} |"
    busy = sum(job.seconds for job in jobs) / (HOURS * 3600 * CARDS)
    yield ""
    yield f"{len(jobs)} jobs keep {CARDS} cards busy for {busy:.0%} of the day."


def plot(before, after, file):
    """Each key's 95 % of waiting, before (grey) and after (blue), on a scale of powers of ten."""
    width, row, left, right = 900, 22, 90, 40
    keys = [*STEADY, *BURSTS]
    image = Image.new("RGB", (width, row * len(keys) + 60), "white")
    draw = ImageDraw.Draw(image)
    most = max(percentile(found[key], 0.95) for found in (before, after) for key in keys)

    def x(seconds):
        return left + (width - left - right) * math.log10(1 + seconds) / math.log10(1 + most)

    for seconds in (0, 10, 60, 600, 3600):
        if seconds <= most:
            draw.line([(x(seconds), 20), (x(seconds), row * len(keys) + 24)], fill="#dddddd")
            draw.text((x(seconds), row * len(keys) + 28), f"{seconds} s", fill="#555555", anchor="ma")
    for at, key in enumerate(keys):
        top = 24 + at * row
        draw.text((left - 8, top + 8), key, fill="black", anchor="rm")
        draw.rectangle([left, top, x(percentile(before[key], 0.95)), top + 7], fill="#999999")
        draw.rectangle([left, top + 9, x(percentile(after[key], 0.95)), top + 16], fill="#2266cc")
    draw.text((left, 4), "95 % of the jobs waited at most: grey: oldest first, blue: fair shares", fill="black")
    draw.text((left, row * len(keys) + 42), "seconds, logarithmic", fill="#555555")
    image.save(file, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", metavar="FILE")
    asked = parser.parse_args()
    jobs = jobs_of_a_day(asked.seed)
    before, after = simulate(jobs, Oldest()), simulate(jobs, Fair())
    print("\n".join(table(before, after, jobs)))
    if asked.plot:
        plot(before, after, asked.plot)


if __name__ == "__main__":
    main()
