"""This process among the others that share the file: joining, ringing them, noticing that one has died."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from os import getpid

from nexus_sdk.errors import StoreError
from nexus_sdk.store.bell import BellBoard
from nexus_sdk.store.sqlite import leases, peers
from nexus_sdk.store.sqlite.connection import Database
from nexus_sdk.store.sqlite.work import Work
from nexus_sdk.store.sqlite.writer import Effects, Writer

CHECK_SECONDS = 1.0
"""How often, at most, the other processes are looked after."""


class Post:
    """Joins when a doorbell or a watch wants rings; leaves at `close`. `name` marks the leases of this process."""

    def __init__(self, database: Database, writer: Writer, board: BellBoard, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._writer = writer
        self._board = board
        self._monotonic = monotonic
        self.is_wanted = False
        self.reset()

    def reset(self) -> None:
        """As before the first verb: after a fork, or after leaving."""
        self.name: str | None = None
        self._socket: peers.Socket | None = None
        self._checked_at: float | None = None
        self._is_joining = False

    async def attend(self) -> None:
        """Before receiving: join if a doorbell wants it, and free what dead processes hold."""
        if self.is_wanted:
            await self.join()
        now = self._monotonic()
        if not peers.is_supported() or (self._checked_at is not None and now - self._checked_at < CHECK_SECONDS):
            return
        self._checked_at = now
        known = self._known()
        for name, address in known.items():
            if name != self.name and peers.is_dead(address):
                await self._bury(name, address)
        if self.name is not None and self.name not in known:
            await self._register()  # somebody took this process for dead; it may have been stopped for long

    async def join(self) -> None:
        """Open this process's socket and make it known. Without sockets: nothing, the sweep remains."""
        if self._socket is not None or self._is_joining or not peers.is_supported():
            return
        self._is_joining = True
        name = secrets.token_hex(6)
        try:
            self._socket = peers.Socket(self._database.path, name, self._on_ring)
        except OSError:
            return  # no place for a socket here; tried once
        self.name = name
        await self._register()
        self._is_joining = False

    async def leave(self) -> None:
        """Close the socket and be forgotten."""
        held, name = self._socket, self.name
        self.reset()
        if held is None or name is None:
            return
        held.close()
        await self._writer.write(lambda connection, effects: _forget(connection, name))

    def ring(self, instance_ids: Iterable[str]) -> None:
        """Ring the other processes; on any thread. A dead one is noticed at the next `receive`."""
        if not peers.is_supported():
            return
        try:
            addresses = [address for name, address in self._known().items() if name != self.name]
        except StoreError:
            return  # what was written is durable; the others see it by their own sweep
        if addresses and peers.ring(addresses, instance_ids):
            self._checked_at = None
            self._board.ring_all()

    # --- leaves ---------------------------------------------------------------------------------------------------

    def _known(self) -> dict[str, str]:
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT id, address FROM peers").fetchall())

    async def _register(self) -> None:
        if self._socket is None or self.name is None:
            return
        values = (self.name, self._socket.address, getpid())
        await self._writer.write(
            lambda connection, effects: connection.execute("INSERT OR REPLACE INTO peers VALUES (?,?,?)", values)
        )

    async def _bury(self, name: str, address: str) -> None:
        def free(connection: sqlite3.Connection, effects: Effects) -> None:
            leases.free_peer(Work(connection, effects, 0), name)

        await self._writer.write(free)
        peers.remove(address)

    def _on_ring(self, instance_ids: list[str] | None) -> None:
        """On the listening thread: another process rang."""
        if instance_ids is None:
            self._board.moved_any()
        for instance_id in instance_ids or ():
            self._board.moved(instance_id)
        self._board.ring_all()


def _forget(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM peers WHERE id = ?", (name,))
