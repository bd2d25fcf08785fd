"""Workloads as data: what is run, how much of it, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measures import Numbers


@dataclass(frozen=True)
class Place:
    """Where a workload runs.

    Attributes:
        store: ``sqlite``, ``memory``, or the URL of a store.
        folder: its own, for all its runs; on the disk that is to be measured.
    """

    store: str
    folder: Path

    @property
    def url(self) -> str:
        """The URL of its store."""
        return {"sqlite": f"sqlite:///{self.folder}/bench.db", "memory": "memory://"}.get(self.store, self.store)


@dataclass(frozen=True)
class Target:
    """What a number is to be: at least, or at most.

    Attributes:
        metric: its name among the numbers.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether the number is as asked."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bound = f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:,g}"
        return f"{self.metric} {bound}"


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    Attributes:
        name: of the workload, and how much of it: ``W1/1000``.
        count: how much.
        tiny: how much is enough to see that it works.
        run: runs it once, in this process.
        shown: the numbers that the table shows, the first one first.
        targets: what is asked of them.
        prepare: makes what all its runs share, in a process of its own.
    """

    name: str
    count: int
    tiny: int
    run: Callable[[Place, int], Coroutine[Any, Any, Numbers]]
    shown: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    prepare: Callable[[Place, int], Coroutine[Any, Any, None]] | None = None

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (self.run.__doc__ or "").partition("\n")[0]
