"""SQLite as a store: one file, any number of processes on one machine."""

from nexus_sdk.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
