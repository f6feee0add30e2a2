"""How often a forecast looks at the queue."""

import time

from api import forecasting
from api.forecasting import Forecasts
from shared.ledger.outlook import Outlook, Queued
from shared.pace import Pace, Shape


class Looks:
    """Counts the looks, each of which finds as many queued jobs."""

    def __init__(self, queued):
        self.count = 0
        self._seen = Outlook(0, [], [Queued(Shape(512, 0), "")] * queued, 1, Pace({}))

    async def run_alone(self, _command):
        self.count += 1
        return self._seen


async def looks_of(queued, age_seconds):
    looks = Looks(queued)
    forecasts = Forecasts(looks)
    await forecasts.current()
    forecasts._looked_at = time.monotonic() - age_seconds
    await forecasts.current()
    await forecasts.close()
    return looks.count


async def test_a_short_queue_is_looked_at_each_second():
    assert await looks_of(10, age_seconds=1.5) == 2


async def test_a_long_queue_is_looked_at_less_often():
    assert await looks_of(1000, age_seconds=1.5) == 1
    assert await looks_of(1000, age_seconds=3.5) == 2
    assert await looks_of(100_000, age_seconds=4.5) == 2
    assert forecasting.MOST_FRESH_SECONDS < forecasting.USABLE_SECONDS
