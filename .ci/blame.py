"""The last words of a run that failed: which tests failed or never ended, and where they stood. Short."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LINES_MAX = 20
ENDED = re.compile(r"^\[gw\d+\] \[ *\d+%\] \w+ (\S.*?)\s*$", re.MULTILINE)
BEGUN = re.compile(r"^((?:tests|samples)/\S+::.*?)\s*$", re.MULTILINE)
FRAME = re.compile(r'File "\S*?/((?:tests|samples|nexus_sdk|providers)/\S+)", line (\d+) in (\w+)')


def blame(log: str) -> list[str]:
    """What is to be said of the log of `pytest -v -n 2`."""
    ended = set(ENDED.findall(log))
    unended = [name for name in dict.fromkeys(BEGUN.findall(log)) if name not in ended and "PASSED" not in name]
    failed = re.findall(r"^(?:FAILED|ERROR) .*$", log, re.MULTILINE)
    stood = [f"{name}:{line} {function}" for name, line, function in FRAME.findall(log)]
    return [
        *(line[:200] for line in failed[:LINES_MAX]),
        *(f"never ended: {name}" for name in unended[:LINES_MAX]),
        *(f"stood at {place}" for place in list(dict.fromkeys(stood))[:LINES_MAX]),
    ]


if __name__ == "__main__":
    print("\n".join(blame(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace"))))
