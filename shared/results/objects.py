"""Objects in a bucket or a folder, by obstore: what shared/results/object_store.py keeps images with.

An object is written as a whole or not at all. Its path says when it expires, so that whoever lists the store knows
what to delete, objects of uploads that were cut off too.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from shared.results.formats import ZIP, split_file_name
from shared.results.store import PartGone, StoreAway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from obstore.store import ClientConfig, S3Config

    from shared.settings import Settings

# A request is tried twice; one to a server that takes connections and answers nothing ends after this time. A worker's
# may carry the largest image, of 12 MB; the API's carries 384 KiB, and somebody waits for it.
WORKER_SECONDS, API_SECONDS = 20, 5
# Objects of a job that are written at the same time.
AT_ONCE = 8
# Between the clocks of those who write and those who delete.
CLOCK_SECONDS = 60
# A file of a folder that was not finished: its writer ended in the middle, or is slower than any hard limit allows.
UNFINISHED_SECONDS = 3600
# How often a process asks at most whether the store answers, and how long it waits for that.
LOOK_SECONDS, ANSWER_SECONDS = 5.0, 2.0
# FOLDER/EXPIRY-UPLOAD/NAME: other objects of the bucket are left alone.
_OWN = re.compile(r"[^/]+/\d+/(\d+)-[0-9a-f]{16}/[^/]+")


def new_folder(within: str, ttl_seconds: int) -> str:
    """For the objects of one upload."""
    return f"{within}/{round(time.time()) + ttl_seconds}-{secrets.token_hex(8)}"


class Objects:
    def __init__(self, store: S3Store | LocalStore, where: str, root: Path | None = None) -> None:
        """:param where: for messages.
        :param root: the folder, if it is one.
        """
        self.where = where
        self._store = store
        self._root = root
        self._looked_at, self._reachable = float("-inf"), True

    def write(self, parts: Mapping[str, bytes]) -> None:
        """:raises StoreAway: not all of them are written."""
        pool = ThreadPoolExecutor(AT_ONCE)
        with _away(self.where):
            try:
                list(pool.map(self._write, parts.items()))
            finally:
                pool.shutdown(cancel_futures=True)

    def _write(self, part: tuple[str, bytes]) -> None:
        path, data = part
        attributes: Any = None if self._root else _attributes(path)
        obstore.put(self._store, path, data, attributes=attributes, use_multipart=False)

    def read(self, path: str) -> bytes | None:
        with _away(self.where), contextlib.suppress(FileNotFoundError):
            return bytes(obstore.get(self._store, path).bytes())
        return None

    async def read_range(self, path: str, start: int, stop: int) -> bytes:
        """:raises PartGone: there is no such object."""
        with _away(self.where):
            try:
                return bytes(await obstore.get_range_async(self._store, path, start=start, end=stop))
            except FileNotFoundError:
                raise PartGone(f"{path} has expired") from None

    def delete_within(self, folder: str) -> None:
        with _away(self.where):
            self._delete([item["path"] for page in obstore.list(self._store, folder) for item in page])

    async def delete_within_async(self, folder: str) -> None:
        await asyncio.to_thread(self.delete_within, folder)

    def expire(self) -> int:
        """Deletes the objects that have expired, and what was not finished; returns their number."""
        now, deleted = time.time() - CLOCK_SECONDS, 0
        with _away(self.where):
            for page in obstore.list(self._store, chunk_size=1000):
                named = [(item["path"], _OWN.fullmatch(item["path"])) for item in page]
                ended = [path for path, own in named if own and int(own[1]) < now]
                self._delete(ended)
                deleted += len(ended)
        # Not listed: what a writer that was killed has left.
        for unfinished in self._root.rglob("*#*") if self._root else ():
            with contextlib.suppress(OSError):
                if unfinished.stat().st_mtime < time.time() - UNFINISHED_SECONDS:
                    unfinished.unlink()
        return deleted

    def _delete(self, paths: Sequence[str]) -> None:
        if not self._root:
            if paths:
                obstore.delete(self._store, paths)
            return
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, path)

    async def url(self, path: str, seconds: int) -> str | None:
        if not isinstance(self._store, S3Store):
            return None
        with _away(self.where):
            return await obstore.sign_async(self._store, "GET", path, timedelta(seconds=seconds))

    async def reachable(self) -> bool:
        """Whether the store answered when it was last asked; asks it again if that was a while ago."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._reachable = await self._look()
        return self._reachable

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await obstore.head_async(self._store, "health")
        except FileNotFoundError:
            return self._root is None or self._root.is_dir()
        except (BaseError, TimeoutError):
            return False
        return True

    def check(self) -> str:
        """What is wrong with the place: empty if objects can be written, listed and deleted there. A server that is
        out of reach is nothing wrong: a start must not need it.
        """
        path = f"check/{secrets.token_hex(8)}"
        try:
            obstore.put(self._store, path, b"", use_multipart=False)
            obstore.list(self._store, "check").collect()
            obstore.delete(self._store, path)
        except FileNotFoundError as error:
            return _reason(error)
        except BaseError as error:
            return "" if self._root is None and _is_silence(error) else _reason(error)
        return ""


def open_objects(settings: Settings, seconds: int = WORKER_SECONDS) -> Objects:
    """:param seconds: that a request may take.
    :raises OSError: the folder cannot be made.
    :raises ValueError: the bucket's name, or another part of the settings, is wrong.
    """
    url = urlsplit(settings.result_store)
    if url.scheme == "file":
        root = Path(url.path)
        root.mkdir(parents=True, exist_ok=True)
        return Objects(LocalStore(root, automatic_cleanup=True, mkdir=True), settings.result_store, root)
    secrets_of = {
        "access_key_id": settings.aws_access_key_id,
        "secret_access_key": settings.aws_secret_access_key,
        "session_token": settings.aws_session_token,
    }
    given = {name: value.get_secret_value() for name, value in secrets_of.items() if value}
    places = {"region": settings.aws_region, "endpoint": settings.aws_endpoint_url}
    given |= {name: value for name, value in places.items() if value}
    config = cast("S3Config", given)
    client: ClientConfig = {
        "allow_http": (settings.aws_endpoint_url or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=2),
        "timeout": timedelta(seconds=seconds),
    }
    store = S3Store(
        url.netloc,
        prefix=url.path.strip("/") or None,
        config=config,
        client_options=client,
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=seconds)},
    )
    return Objects(store, settings.result_store)


def check(settings: Settings) -> str:
    """What is wrong with the place, or empty."""
    try:
        return open_objects(settings).check()
    except OSError as error:
        return error.strerror or str(error)
    except (BaseError, ValueError) as error:
        return _reason(error)


def _attributes(path: str) -> dict[str, str]:
    """What the store says of the object to those whom it serves itself."""
    name = path.rpartition("/")[2]
    form = split_file_name(name)[1]
    attributes = {"Content-Type": form.media_type, "Cache-Control": "private, max-age=3600, immutable"}
    return attributes | ({"Content-Disposition": f'attachment; filename="{name}"'} if form is ZIP else {})


@contextlib.contextmanager
def _away(where: str) -> Iterator[None]:
    """Turns the store's errors into `StoreAway`. Their text is cut: it ends with whole answers of servers, which may
    name the credentials.
    """
    try:
        yield
    except PartGone:
        raise
    except (BaseError, OSError) as error:
        raise StoreAway(f"{where}: {_reason(error)}") from None


def _is_silence(error: BaseError) -> bool:
    """Whether the server was not reached, or failed: what is known of the place is nothing."""
    if "169.254.169.254" in str(error):
        return False  # without credentials, those of a cloud's own machine are asked for
    status = re.search(r"status code: (\d{3})", str(error))
    return status is None or int(status[1]) >= 500  # noqa: PLR2004 - an HTTP status


def _reason(error: Exception) -> str:
    text = str(error)
    if "169.254.169.254" in text:
        return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code: (\d{3} [\w ]+)", text)
    first = re.sub(r" in [\d.]+m?s\b.*", "", text.partition("\n")[0])
    return code[1] if code else status[1].strip() if status else first or type(error).__name__
