"""Conditional requests: whether the caller has the bytes already."""

from __future__ import annotations


def has(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match contains `etag`, by weak comparison: a compressing proxy marks our ETag as weak."""
    offered = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in offered or offered == ["*"]
