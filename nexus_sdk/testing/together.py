"""Several who wait in one environment at once, as `asyncio.gather` has them: one looks after the other.

The one rule: time passes, or is said to be in vain, when all of them have looked and none could go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lookers:
    """Who waits now. `turn`: whoever looks, or lets time pass, holds it: nobody else does meanwhile."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._all: set[Looker] = set()
        self._in_vain: set[Looker] = set()

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[Looker]:
        """Somebody waits. When he goes on he may do something for the others: they look again."""
        looker = Looker(self)
        self._all.add(looker)
        try:
            yield looker
        finally:
            self._all.discard(looker)
            self._in_vain.clear()

    def has_moved(self) -> None:
        """Time has passed: all look again."""
        self._in_vain.clear()

    def all_in_vain(self, looker: Looker) -> bool:
        """Note that he looked in vain; whether all have, since something moved."""
        self._in_vain.add(looker)
        return self._in_vain == self._all


class Looker:
    """One who waits."""

    def __init__(self, lookers: Lookers) -> None:
        self._lookers = lookers

    def is_last_in_vain(self) -> bool:
        """Whether he looked in vain, as all the others did: it is his to let time pass."""
        return self._lookers.all_in_vain(self)
