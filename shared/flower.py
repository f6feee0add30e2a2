"""`python -m celery -A shared.flower flower`: the Celery application that Flower watches (shared/stack/flower.py)."""

from shared.stack.flower import app

__all__ = ["app"]
