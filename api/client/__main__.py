"""`python -m api.client "a green leaf" --sizes 256,512 --follow` draws; `python -m api.client check` checks a server.

Exit codes: 0 done; 1 the job failed, was canceled or expired, or a check failed; 2 wrong usage; 3 the server did not
answer, or answered with an error; 130 interrupted. An interrupted job goes on: `--resume ID` returns to it, or
`--key KEY` if it had no id yet.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from api.client import check, drawing
from api.client.server import Refused, Server

DONE, FAILED, NO_SERVER, INTERRUPTED = 0, 1, 3, 130


def main() -> None:
    _print_what_can_be_printed()
    console = Console()
    arguments = _parser().parse_args()
    try:
        with Server(arguments.url, arguments.api_key) as server:
            code = DONE if arguments.run(server, arguments, console) else FAILED
    except Refused as error:
        console.print(f"[red]{escape(str(error))}[/]")
        code = NO_SERVER
    except httpx.TransportError as error:
        console.print(f"[red]{escape(f'no answer from {arguments.url}: {error}')}[/]")
        code = NO_SERVER
    except OSError as error:
        console.print(f"[red]{escape(f'the images cannot be saved: {error}')}[/]")
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise SystemExit(code)


def _print_what_can_be_printed() -> None:
    """A terminal may know fewer letters than a prompt or a message has: the others are shown as marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _typed(text: str) -> str:
    """What was typed in UTF-8, also where the locale does not know its letters, and Python keeps their bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", "replace")
    return text


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default=os.environ.get("LOGO_URL", "http://127.0.0.1:7860"), help="or LOGO_URL")
    common.add_argument("--api-key", default=os.environ.get("LOGO_API_KEY"), help="or LOGO_API_KEY")
    common.add_argument("--out", type=Path, default=Path("out"), help="folder for what is saved (out)")
    if sys.argv[1:2] == ["check"]:
        parser = argparse.ArgumentParser(prog="python -m api.client check", parents=[common], description=check.__doc__)
        parser.add_argument("check", help=argparse.SUPPRESS)
        parser.add_argument("--concurrent", type=int, default=4, metavar="N", help="logos at the same time (4)")
        parser.set_defaults(run=check.run)
        return parser
    parser = argparse.ArgumentParser(prog="python -m api.client", parents=[common], epilog=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("prompt", nargs="?", type=_typed, help="what the logo shows; `check` checks a server")
    what.add_argument("--resume", metavar="ID", help="return to a job that was submitted before")
    parser.add_argument("--key", help="the Idempotency-Key of an interrupted submit, to get its job")
    parser.add_argument("--sizes", type=_sizes, help="comma-separated pixels of squares (256,512)")
    parser.add_argument("--aspect", metavar="A:B", help="no square: 3:1, 16:9, 1:2 and others, instead of --sizes")
    parser.add_argument("--width", type=int, metavar="N", help="with --height: pixels, instead of --sizes")
    parser.add_argument("--height", type=int, metavar="N")
    parser.add_argument("--image", metavar="FILE", help="start from this image, or from the job of this id")
    parser.add_argument("--strength", type=float, metavar="S", help="with --image: how much changes, 0 to 1 (0.6)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--variations", dest="num_images", type=int, metavar="N", help="images of one job, up to 4 (1)")
    parser.add_argument(
        *("--format", "--formats"),
        dest="formats",
        type=_names,
        metavar="NAMES",
        help="comma-separated: png, webp, jpeg, avif, svg (png, which is always made)",
    )
    parser.add_argument(
        "--quality", type=int, metavar="N", help="of webp, jpeg and avif, 1 to 100; else webp is lossless"
    )
    parser.add_argument("--transparent", action="store_true", help="without its ground: a second PNG, WebP, AVIF, SVG")
    parser.add_argument("--holes", choices=("keep", "cut"), help="with --transparent: enclosed areas of ground (keep)")
    parser.add_argument("--icons", action="store_true", help="a zip of icons for the web, Android, iOS and macOS")
    parser.add_argument("--style", metavar="NAME", help="such as emblem; GET /api/styles lists them")
    parser.add_argument(
        "--colors", type=_colours, metavar="COLOURS", help="of the symbol: 0A7B83,F2A541, with # or without"
    )
    parser.add_argument(
        "--background-color", type=_colour, metavar="COLOUR", help="of the ground; not with --transparent"
    )
    parser.add_argument("--text", help="what the logo says")
    parser.add_argument(
        "--layout", choices=("icon", "wordmark", "combination"), help="of symbol and text (combination)"
    )
    parser.add_argument(
        "--saved", type=Path, metavar="FILE", help="write the paths of what was saved there, one a line"
    )
    parser.add_argument("--follow", action="store_true", help="show the progress from the event stream")
    parser.set_defaults(run=drawing.run)
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


def _colour(text: str) -> str:
    """A shell takes what follows a # for a comment, so it may be left out."""
    return f"#{text}" if re.fullmatch("[0-9a-fA-F]{6}", text) else text


def _colours(text: str) -> list[str]:
    return [_colour(name) for name in _names(text)]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    main()
