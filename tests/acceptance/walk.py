"""`python tests/acceptance/walk.py | bash -eux`: the unmarked `sh` blocks of docs/deployment-vastai.md as one script,
for a clean container of Debian with Python, git, make, curl and gcc, and with REPOSITORY set.
"""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deployment-vastai.md"


def blocks() -> list[tuple[str, str]]:
    """(mark, commands) of each block; blocks with an empty mark are for everyone."""
    return [
        (mark, text)
        for mark, text in re.findall(r"^```sh *(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    ]


def script() -> str:
    return "\n".join(f"(\n{text})" for mark, text in blocks() if not mark)


if __name__ == "__main__":
    print(script())
