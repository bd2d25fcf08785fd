"""Split stores: the protocol (`store`, `steps`, `item`), what a provider supplies (`ports`), and one in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus_sdk.store.split.memory import SplitMemoryStore

__all__ = ["SplitMemoryStore"]


def __getattr__(name: str) -> Any:
    # Providers need the protocol and not the store in memory, and functions start cold.
    if name == "SplitMemoryStore":
        from nexus_sdk.store.split.memory import SplitMemoryStore

        return SplitMemoryStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
