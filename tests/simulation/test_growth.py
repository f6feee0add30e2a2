"""The simulation of growth in small: its delays and rates are those that follow from its costs."""

import json
import statistics
from dataclasses import replace

import pytest
from growth_model import Costs, Site, cells_for, figures, first_limit, loads, processes_for
from growth_simulation import Cell

PAUSE = 1.0  # a poll's Retry-After


def found(api_ms=1.0, redis_ms=0.05, disk_ms=0.0, **event):
    """Figures whose every cost is known, and which do not vary."""
    return {
        "disk_ms": [disk_ms],
        "submit": {"mean": {"process_ms": 4.0, "redis_ms": 0.2}, "api_ms": [4.0], "redis_ms": [0.2]},
        "poll": {
            "mean": {"process_ms": api_ms, "redis_ms": redis_ms, "bytes_out": 500},
            "api_ms": [api_ms],
            "redis_ms": [redis_ms],
        },
        "waiter": {"accept_ms": 2.0, "accept_redis_ms": 0.05, "answer_ms": 1.0, "memory_bytes": 30_000},
        "event": {
            "redis_ms_a_reading": 0.05,
            "redis_ms_a_reader": 0.01,
            "bytes_a_reader": 200,
            "api_ms_a_reading": 0.6,
            "api_ms": 0.02,
        }
        | event,
        "drawing": {
            "job": {"redis_ms": 5.0, "bytes_in": 5e6, "bytes_out": 4e6},
            "idle_a_second": {"redis_ms": 0.5},
            "events_a_job": 4,
            "seconds_a_job": 2.0,
            "image_bytes": 10**6,
            "worker_ms": {"finish": 300},
        },
    }


def run(site, seconds=4.0, **costs):
    return Cell(site, found(**costs)).run(seconds, warm_up=6.0)


def test_a_poll_alone_takes_as_long_as_its_parts():
    seen = run(Site(cards=0, phones=1), disk_ms=3.0)
    assert statistics.mean(seen.polls) == pytest.approx(0.001 + 0.00005 + 0.0005, abs=1e-6)


def test_a_process_that_is_asked_for_more_answers_as_many_as_it_can():
    seen = run(Site(cards=0, phones=600), api_ms=5.0, seconds=12.0)
    assert len(seen.polls) / 12 == pytest.approx(200, rel=0.02)
    # Each phone asks again PAUSE after its answer: 600 phones at 200 polls a second wait for two seconds.
    assert statistics.mean(seen.polls) == pytest.approx(600 / 200 - PAUSE, rel=0.1)


def test_calls_that_come_by_chance_queue_as_theory_says():
    """M/D/1: at 80 % of its time a loop keeps them for 1 + 0.8 / (2 * 0.2) times a call's own, in two parts."""
    seen = run(Site(cards=0, phones=165), api_ms=5.0, redis_ms=0.0, seconds=20.0)
    assert 1.5 < (statistics.mean(seen.polls) - 0.0005) / 0.005 < 3.3


@pytest.mark.parametrize(("processes", "rate"), [(1, 200), (2, 400), (8, 800)])
def test_processes_add_up_until_redis_has_enough(processes, rate):
    site = Site(cards=0, phones=2 * rate, processes=processes)
    seen = run(site, api_ms=5.0, redis_ms=1.25, seconds=8.0)
    assert len(seen.polls) / 8 == pytest.approx(rate, rel=0.05)


def test_cards_set_the_pace_and_each_end_is_answered_soon():
    seen = run(Site(cards=20, phones=100, waits=True), seconds=40.0)
    assert seen.jobs / 40 == pytest.approx(10, rel=0.05)
    assert len(seen.answers) == pytest.approx(seen.jobs, rel=0.05)
    assert max(seen.answers) < 0.05


def test_events_at_the_same_moment_are_read_together_and_by_each_process():
    cell = Cell(Site(cards=0, phones=0, processes=3), found())
    for _ in range(10):
        cell._event()
    cell.env.run(0.5)
    cell._event()
    cell.env.run(1)
    assert cell.seen.api_busy * 1000 == pytest.approx(3 * (2 * 0.6 + 11 * 0.02))
    assert cell.seen.redis_busy * 1000 == pytest.approx(3 * (2 * 0.05 + 11 * 0.01))


def test_what_is_asked_for_while_two_trips_are_under_way_shares_the_next():
    cell = Cell(Site(cards=0, phones=0), found(disk_ms=50.0))
    batches, ask = [], cell.redis.ask
    cell.redis.ask = lambda ms, **options: batches.append(ms) or ask(ms, **options)
    for number in range(1, 11):
        cell.processes[0].ask(1.0, writes=True)
        cell.env.run(number / 1000)
    cell.env.run(1)
    assert batches == [1, 1, 8]


@pytest.mark.parametrize("site", [Site(8, 300), Site(20, 300, processes=4), Site(20, 600, processes=4, waits=True)])
def test_the_arithmetic_is_what_the_simulation_does(site):
    seen, costs = run(site, seconds=20.0), Costs.of(found())
    told = loads(site, costs)
    assert seen.redis_busy / 20 == pytest.approx(told["Redis: thread"], rel=0.15, abs=0.01)
    assert seen.api_busy / 20 / site.processes == pytest.approx(told["API: CPU"], rel=0.15, abs=0.01)


def test_the_first_limit_is_the_part_that_is_asked_for_most():
    costs = Costs.of(found())
    assert first_limit(Site(1, 2000), costs)[0] == "API: CPU"
    assert first_limit(Site(1, 20_000, processes=40), costs)[0] == "Redis: thread"
    assert first_limit(Site(1, 20_000, waits=True), costs)[0] == "API: held calls"
    assert first_limit(Site(100, 1, processes=1), costs)[0] == "Redis: memory"
    assert first_limit(Site(1000, 1, processes=1, outside=True), costs)[0] != "Redis: memory"
    assert loads(Site(1, 20_000, processes=40, replicas=4), costs)["replicas: thread"] == pytest.approx(0.25)


def test_cells_are_as_few_as_leave_each_part_enough():
    costs = Costs.of(found())
    site = cells_for(Site(1000, 100_000, outside=True), costs)
    assert first_limit(site, costs)[1] <= 0.7
    fewer = replace(site, cells=site.cells - 1)
    fewer = replace(fewer, processes=fewer.cells * processes_for(fewer, costs))
    assert first_limit(fewer, costs)[1] > 0.7


def test_what_was_measured_has_all_that_the_model_needs():
    costs = Costs.of(figures())
    assert json.dumps(loads(Site(1, 1000), costs))
    assert 0 < costs.poll["redis_ms"] < costs.poll["process_ms"]
