"""Nodes: whatever a workflow can wait for while it runs. One kind of thing, with settle, then and cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nexus_sdk.errors import CancelledError


class Node:
    """A running operation. It settles once, with a value or an error, and tells whoever asked.

    `cancel` always leads to a settlement: at once for a leaf, after the durable clean-up for fibers and groups.
    """

    __slots__ = ("error", "is_settled", "path", "value", "watchers")

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_settled = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.watchers: list[Callable[[Node], None]] | None = None

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """Take the outcome; the first one counts."""
        if self.is_settled:
            return
        self.is_settled, self.value, self.error = True, value, error
        watchers, self.watchers = self.watchers, None
        if watchers is not None:
            for watcher in watchers:
                watcher(self)

    def then(self, watcher: Callable[[Node], None]) -> None:
        """Call `watcher` with this node once it has settled, at once if it has."""
        if self.is_settled:
            watcher(self)
        elif self.watchers is None:
            self.watchers = [watcher]
        else:
            self.watchers.append(watcher)

    def cancel(self, reason: str = "") -> None:
        """Give it up. Here: settle as cancelled."""
        self.settle(error=CancelledError(reason))


class Join(Node):
    """Waits for another node without owning it: cancelling the wait leaves the other alone."""

    __slots__ = ()

    def __init__(self, other: Node) -> None:
        super().__init__(other.path)
        other.then(lambda node: self.settle(node.value, node.error))


class AllSettled(Node):
    """Settles with None when every one of `nodes` has settled, however they did. Not cancellable: it is shielded."""

    __slots__ = ("missing",)

    def __init__(self, path: str, nodes: Sequence[Node]) -> None:
        super().__init__(path)
        self.missing = len(nodes)
        if not nodes:
            self.settle()
        for node in nodes:
            node.then(self._one_less)

    def _one_less(self, _: Node) -> None:
        self.missing -= 1
        if self.missing == 0:
            self.settle()
