"""Values for the eyes of whoever debugs: their own repr, in one line and never too long, or whole."""

from __future__ import annotations

import reprlib
from pprint import pformat
from typing import Any

BRIEF_MAX = 300
"""Characters of a value in one line."""

WHOLE_LINES_MAX = 400
"""Lines of a value that is shown whole."""


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 12
        self.maxdict = 12
        self.maxstring = self.maxother = 160
        self.maxlong = 60


_BRIEF = _Brief()


def brief(value: Any) -> str:
    """A value in one line. Its own `repr` may fail; this does not."""
    try:
        text = " ".join(_BRIEF.repr(value).split())
    except Exception as error:
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return text if len(text) <= BRIEF_MAX else text[: BRIEF_MAX - 1] + "…"


def whole(value: Any, width: int) -> list[str]:
    """A value in as many lines as it takes, within reason."""
    try:
        lines = pformat(value, width=max(20, width), sort_dicts=False).splitlines()
    except Exception as error:
        lines = [f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"]
    return lines if len(lines) <= WHOLE_LINES_MAX else [*lines[:WHOLE_LINES_MAX], "…"]
