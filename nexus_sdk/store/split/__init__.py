"""Split stores: the protocol (`store`, `steps`, `item`), what a provider supplies (`ports`), and one in memory."""

from nexus_sdk.store.split.memory import SplitMemoryStore

__all__ = ["SplitMemoryStore"]
