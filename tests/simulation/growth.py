"""`make growth`: where a site of 1, 8, 100 and 1,000 cards and up to 1,000,000 phones meets its first limit, by the
costs that were measured (`--measure` measures them anew), and what its parts' queues do before that; `--plot FILE`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from day import percentile
from growth_model import Costs, Site, cells_for, figures, first_limit, loads, processes_for, rates
from growth_plot import plot
from growth_simulation import Cell

CARDS = (1, 8, 100, 1000)
PHONES = 1_000_000
LATE_SECONDS = 1.0
# What is simulated: as many phones as one cell of it has.
WAYS = {
    "1 API process": Site(8, 0, processes=1, outside=True),
    "4 API processes": Site(8, 0, processes=4, outside=True),
    "16 API processes": Site(8, 0, processes=16, outside=True),
    "64 API processes": Site(8, 0, processes=64, outside=True),
}
STEPS = (100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200)
MOST_POLLS = 40_000  # in one simulation


def ratio(value: float) -> str:
    return f"{value:.0%}" if value < 10 else f"{value:,.0f} x"


def costs_table(found) -> list[str]:
    drawing, waiter, event = found["drawing"], found["waiter"], found["event"]
    rows = {
        "a submit": found["submit"]["mean"],
        "a poll": found["poll"]["mean"],
        "a wait that ends at once": found["wait that ends at once"]["mean"],
        "a whole job, in 256, 512 and 1024": drawing["job"],
        "a second of one worker and its finisher that draw nothing": drawing["idle_a_second"],
    }
    lines = [
        "| | times that Redis reads | commands, scripts' too | bytes to Redis | from Redis | Redis, ms | API, ms |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, cost in rows.items():
        cells = [f"{cost['trips']:.2f}", f"{cost['commands']:.1f}"]
        cells += [f"{cost[key]:,.0f}" for key in ("bytes_in", "bytes_out")]
        cells += [f"{cost[key]:.3f}" for key in ("redis_ms", "process_ms")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    told = {
        "A waiter": "{accept_ms:.2f} ms of an API process's CPU to accept, {answer_ms:.2f} to answer,"
        " {memory_kib:.1f} KiB, {accept_trips:.2f} reads by Redis.",
        "A reading of events": "{redis_ms_a_reading:.3f} ms of Redis for each API process, {api_ms_a_reading:.2f} ms of"
        " the CPU of each; each further event {redis_ms_a_reader:.4f} ms, {bytes_a_reader:.0f} bytes, {api_ms:.3f} ms.",
        "A job": "{events_a_job:.1f} events, {image_mb:.2f} MB of images as stored, {finish:.2f} s of its finisher's"
        " CPU; a card draws one in {seconds_a_job:.2f} s.",
    }
    values = waiter | event | drawing | {"memory_kib": waiter["memory_bytes"] / 1024}
    values |= {"image_mb": drawing["image_bytes"] / 1e6, "finish": drawing["worker_ms"]["finish"] / 1000}
    lines += ["", *(f"{what}: {text.format(**values)}" for what, text in told.items())]
    return lines


def limits_table(costs) -> list[str]:
    """One Redis, results in it, as many API processes as the calls need: what is asked for most."""
    lines = [
        "| cards | phones | they | jobs, calls a second | API processes | Redis: thread | network | memory | first |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for cards in CARDS:
        for phones, waits in ((100 * cards, True), (PHONES, True), (PHONES, False)):
            site = Site(cards, phones, waits)
            site = replace(site, processes=processes_for(site, costs))
            rate, told = rates(site, costs), loads(site, costs)
            shares = [ratio(told[f"Redis: {part}"]) for part in ("thread", "network", "memory")]
            calls = f"{rate['jobs']:.1f}, {rate['polls'] + rate['waits']:,.0f}"
            first, share = first_limit(site, costs)
            cells = [cards, f"{phones:,}", "wait" if waits else "poll", calls, f"{site.processes:,}", *shares]
            lines.append(f"| {' | '.join(map(str, cells))} | {first if share > 1 else 'none'} |")
    return lines


def cells_table(costs) -> list[str]:
    """Results outside, and cells: no part of a cell is asked for more than 70 %."""
    lines = ["| cards | phones | they | cells | API processes of each | Redis's thread | network | memory |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for cards in CARDS:
        for waits in (True, False):
            site = cells_for(Site(cards, PHONES, waits, outside=True), costs)
            told = loads(site, costs)
            shares = [ratio(told[f"Redis: {part}"]) for part in ("thread", "network", "memory")]
            met = "" if max(told.values()) <= 1 else " (not enough)"
            cells = [cards, f"{PHONES:,}", "wait" if waits else "poll", f"{site.cells:,}{met}"]
            lines.append(f"| {' | '.join(map(str, [*cells, f'{site.one_cell.processes:,}', *shares]))} |")
    return lines


def simulated(found, seed: int) -> dict[str, list[tuple[int, float, float]]]:
    """By way: (phones that poll, median, 99 %) until they are late."""
    curves: dict[str, list[tuple[int, float, float]]] = {}
    for name, way in WAYS.items():
        curves[name] = []
        for phones in STEPS:
            seconds = max(1.0, min(5.0, MOST_POLLS / phones))
            seen = Cell(replace(way, phones=phones), found, seed).run(seconds, warm_up=min(2.0, seconds))
            if not seen.polls:
                break
            high = percentile(seen.polls, 0.99)
            curves[name].append((phones, percentile(seen.polls, 0.5), high))
            if high > LATE_SECONDS:
                break
    return curves


def curves_table(curves) -> list[str]:
    lines = ["| phones that poll each second | " + " | ".join(curves) + " |", f"|---|{'---|' * len(curves)}"]
    for phones in STEPS:
        cells = []
        for curve in curves.values():
            at = next(((p50, p99) for number, p50, p99 in curve if number == phones), None)
            cells.append(f"{at[0] * 1000:.0f} / {at[1] * 1000:,.0f} ms" if at else "")
        if any(cells):
            lines.append(f"| {phones:,} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", metavar="FILE")
    parser.add_argument("--measure", action="store_true", help="measure the costs on this machine first")
    asked = parser.parse_args()
    if asked.measure:
        from growth_measure import measure  # noqa: PLC0415 - starts servers

        measure()
    found = figures()
    costs = Costs.of(found)
    print(f"Costs of commit {found['commit']}, {found['machine']}, Valkey {found['valkey']}\n")
    for part in (costs_table(found), limits_table(costs), cells_table(costs)):
        print("\n".join(part), end="\n\n", flush=True)
    start = time.monotonic()
    curves = simulated(found, asked.seed)
    print("\n".join(curves_table(curves)))
    print(f"\nMedian / 99 % of a poll's answer, eight cards at work; simulated in {time.monotonic() - start:.0f} s.")
    if asked.plot:
        plot(curves, asked.plot)


if __name__ == "__main__":
    main()
