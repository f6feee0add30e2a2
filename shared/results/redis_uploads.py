"""Stores the images and files of a job in commands of bounded size, because the client's time-out bounds each command.

What fits in one piece goes in the last command. The rest is sent before it, piece by piece, to keys of this upload's
own; the last command renames these and writes the index, so that all of them are stored or none.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from shared.results import redis_images
from shared.results.redis_images import image_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import redis

    from shared.results.places import Place

# Over 32 Mbit/s a piece takes 0.3 s, and the 90 MB of the largest job 23 s.
PIECE_BYTES = 2**20
# Of a part of which not all has arrived, since its last piece: an upload that was cut off leaves nothing for long.
UNFINISHED_TTL_SECONDS = 600

# Repeated after a lost reply it finds its own work done.
STORE = """#!lua
-- KEYS  1 index  2.. each part, and after it the key of its pieces
-- ARGV  1 the index  2 TTL (s)  3 1: what is stored already stays  4.. each part; empty: it is sent in pieces
-- Reply 1 if it was stored, 0 if something was there already
local index_key, index, ttl_s, keeps_first = KEYS[1], ARGV[1], ARGV[2], ARGV[3] == '1'
local kept = keeps_first and redis.call('EXISTS', index_key) == 1
for i = 2, #KEYS, 2 do
  local part_key, pieces_key, part = KEYS[i], KEYS[i + 1], ARGV[i / 2 + 3]
  if kept then
    redis.call('UNLINK', pieces_key)
  elseif part ~= '' then
    redis.call('SET', part_key, part, 'EX', ttl_s)
  else
    if redis.call('EXISTS', pieces_key) == 1 then redis.call('RENAME', pieces_key, part_key) end
    if redis.call('EXPIRE', part_key, ttl_s) == 0 then return redis.error_reply('ERR expired: ' .. pieces_key) end
  end
end
if kept then return 0 end
redis.call('SET', index_key, index, 'EX', ttl_s)
return 1
"""


def put_images(client: redis.Redis, place: Place, parts: Mapping[str, bytes], ttl_seconds: int) -> None:
    """:param parts: base64, by name."""
    upload, left = secrets.token_hex(8), PIECE_BYTES
    keys, values = [place.key], []
    for name, part in parts.items():
        pieces_key = f"{image_key(place, name)}:{upload}"
        inline = len(part) <= left
        if inline:
            left -= len(part)
        else:
            send_pieces(client, pieces_key, part)
        keys += [image_key(place, name), pieces_key]
        values.append(part if inline else b"")
    index = redis_images.encode_index(redis_images.describe(name, part) for name, part in parts.items())
    client.eval(STORE, len(keys), *keys, index, str(ttl_seconds), str(int(place.keeps_first)), *values)


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each piece begins, and the piece. The last comes first: it takes all of the memory at once, so that the
    string does not grow with each piece. A piece that is sent again after a lost reply changes nothing.
    """
    for start in reversed(range(0, len(data), PIECE_BYTES)):
        yield start, data[start : start + PIECE_BYTES]


def send_pieces(client: redis.Redis, key: str, data: bytes) -> None:
    for start, piece in pieces(data):
        pipeline = client.pipeline(transaction=False)
        pipeline.setrange(key, start, piece)
        pipeline.expire(key, UNFINISHED_TTL_SECONDS)
        pipeline.execute()
