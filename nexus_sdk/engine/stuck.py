"""Naming instances that do not move although they could: what the laws say cannot be, told to whoever operates it."""

from __future__ import annotations

from collections.abc import Sequence

STUCK_SECONDS = 60.0
"""An instance that has been due for so long, at every look, is named."""


class StuckWatch:
    """Which instances were due at every look since when. Each is named once, until it has moved."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self._named: set[str] = set()

    def look(self, due: Sequence[str], now_us: int) -> list[str]:
        """Those to be named now.

        Args:
            due: the ids of all instances that wait to be moved on.
        """
        self._since = {id: self._since.get(id, now_us) for id in due}
        self._named &= self._since.keys()
        oldest_us = now_us - round(STUCK_SECONDS * 1_000_000)
        stuck = [id for id, since_us in self._since.items() if since_us <= oldest_us and id not in self._named]
        self._named.update(stuck)
        return stuck
