"""Collections of an item whose members are rows: each is read when it is asked for, and not before.

The one rule: what was not read is neither there nor absent; asking for it raises `NotRead`, and whoever runs the
change reads it and runs the change once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class NotRead(Exception):
    """Rows that are needed were not read yet: those of these keys, or all whose keys begin with a prefix."""

    def __init__(self, *keys: str, prefix: str = "") -> None:
        super().__init__(*keys, prefix)
        self.keys = keys
        self.prefix = prefix


class LazyRows(dict[str, V], Generic[V]):
    """A mapping over rows. `read` decodes the row of a key, or gives None; `read_all` gives all keys there are."""

    def __init__(self, read: Callable[[str], V | None], read_all: Callable[[], Iterator[str]]) -> None:
        super().__init__()
        self.known: set[str] = set()
        self._read = read
        self._read_all = read_all

    def know(self, key: str) -> None:
        """Make sure that this member was read."""
        if key not in self.known:
            value = self._read(key)
            self.known.add(key)
            if value is not None:
                dict.__setitem__(self, key, value)

    def know_all(self) -> None:
        """Make sure that all were."""
        for key in self._read_all():
            self.know(key)

    def __contains__(self, key: object) -> bool:
        self.know(str(key))
        return dict.__contains__(self, key)

    def __getitem__(self, key: str) -> V:
        self.know(key)
        return dict.__getitem__(self, key)

    def __setitem__(self, key: str, value: V) -> None:
        self.know(key)
        dict.__setitem__(self, key, value)

    def __delitem__(self, key: str) -> None:
        self.know(key)
        dict.__delitem__(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """See `dict.get`."""
        self.know(key)
        return dict.get(self, key, default)

    def pop(self, key: str, default: Any = None) -> Any:
        """See `dict.pop`; there is always a default."""
        self.know(key)
        return dict.pop(self, key, default)

    def __iter__(self) -> Iterator[str]:
        self.know_all()
        return dict.__iter__(self)

    def values(self) -> Any:
        """See `dict.values`."""
        self.know_all()
        return dict.values(self)

    def items(self) -> Any:
        """See `dict.items`."""
        self.know_all()
        return dict.items(self)

    def members(self) -> dict[str, V]:
        """What was read and is there."""
        return {key: dict.__getitem__(self, key) for key in self.known if dict.__contains__(self, key)}


class LazySet(set[str]):
    """A set over rows without content. `is_there` says whether the row of a member is."""

    def __init__(self, is_there: Callable[[str], bool]) -> None:
        super().__init__()
        self.added: list[str] = []
        self._is_there = is_there

    def __contains__(self, member: object) -> bool:
        return set.__contains__(self, member) or self._is_there(str(member))

    def add(self, member: str) -> None:
        """Add a member: a new row."""
        if not set.__contains__(self, member):
            set.add(self, member)
            self.added.append(member)
