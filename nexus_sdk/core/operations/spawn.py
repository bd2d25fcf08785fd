"""`ctx.spawn`: start now, wait later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus_sdk.core.node import Join, Node
from nexus_sdk.core.operation import Operation, T_co

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class Spawned(Operation[T_co]):
    """Something that runs in the background. Yield it, any number of times, for its result; or never."""

    __slots__ = ("node",)
    what = "spawned operation"

    def __init__(self, node: Node) -> None:
        super().__init__()
        super().use()  # it runs already: nobody has to wait for it
        self.node = node

    def use(self) -> None:
        """It may be waited for more than once."""

    def start(self, fiber: Fiber, path: str) -> Node:
        """Wait for it, without owning it."""
        return Join(self.node)

    def cancel(self, reason: str = "") -> None:
        """Ask it to stop. Whoever waits for it gets `CancelledError`, once its clean-up is over."""
        self.node.cancel(reason)

    @property
    def is_done(self) -> bool:
        """Whether it has finished, in whichever way."""
        return self.node.is_settled
