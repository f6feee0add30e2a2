"""`python -m api.main`: the HTTP front on HOST and PORT."""

import uvicorn

from api.app import create_app
from api.settings import ApiSettings
from shared import logging, settings


def main() -> None:
    config = settings.load(ApiSettings)
    logging.configure(config.log_level, config.log_format, "api")
    uvicorn.run(
        create_app(config),
        host=config.host,
        port=config.port,
        # Not uvloop: it raises RuntimeError, not OSError, on a connection that Redis closed meanwhile (docs/decisions).
        loop="asyncio",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        # Held calls end with the process; their jobs go on, and a new GET has them.
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
