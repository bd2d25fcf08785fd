"""`ctx.race`: the first to finish wins, the others are cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.operations.group import Group, Startable, discard_all, take
from nexus_sdk.errors import InvalidArgument

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


@dataclass(frozen=True, slots=True)
class Winner:
    """Who won a race: its place among the arguments, its name where it was given one, and its value."""

    index: int
    name: str | None
    value: Any


class RaceOperation(Operation[Winner]):
    """Runs all elements until the first has finished; if that one failed, its failure is raised."""

    __slots__ = ("elements", "names")
    what = "race"

    def __init__(self, elements: Sequence[Startable], names: Sequence[str | None]) -> None:
        if not elements:
            raise InvalidArgument("ctx.race needs at least one operation: a race of nobody never ends.")
        take(elements, "ctx.race")
        super().__init__()
        self.elements = elements
        self.names = names

    def discard(self) -> None:
        """See `Operation.discard`."""
        super().discard()
        discard_all(self.elements)

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`."""
        return RaceNode(fiber, path, self.elements, self.names)


class RaceNode(Group):
    """A race that runs. A spawned operation that loses goes on; a wait that loses consumes no event."""

    __slots__ = ("names",)

    def __init__(self, fiber: Fiber, path: str, elements: Sequence[Startable], names: Sequence[str | None]) -> None:
        super().__init__(fiber, path)
        self.names = names
        self.begin_all(elements)

    def ended(self, index: int, node: Node) -> None:
        """See `Group.ended`."""
        if node.error is None:
            self.decide(Winner(index, self.names[index], node.value))
        else:
            self.decide(error=node.error)
