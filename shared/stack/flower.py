"""`python -m celery -A shared.flower flower`: the Celery application that Flower watches; task ids are job ids."""

from shared import settings
from shared.observability import logging
from shared.queue import make_celery

_config = settings.load(settings.Settings)
# Before Flower starts: Tornado leaves a root logger that has a handler as it is.
logging.configure(_config.log_level, _config.log_format, "flower")
app = make_celery(_config.redis_url)
