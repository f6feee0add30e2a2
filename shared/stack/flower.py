"""The Celery application that Flower watches (`python -m celery -A shared.flower flower`); task ids are job ids."""

from shared import settings
from shared.observability import logging
from shared.queue import make_celery

_config = settings.load(settings.FlowerSettings)
# Configured before Flower starts: Tornado leaves a root logger alone if it has a handler.
logging.configure(_config.log_level, _config.log_format, "flower")
app = make_celery(_config.redis_url)
