"""Rings between the processes that share a file: a datagram socket for each, named in the table `peers`.

A datagram only says "look"; it may be lost. What cannot be lost is death: the socket of a process that was killed
refuses, and then its leases are free at once. The one rule: whatever fails here costs time, never correctness: lease
expiry and the receivers' own sweep stand behind it.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable

ADDRESS_BYTES_MAX = 100
"""Addresses of local sockets are limited to some 108 bytes."""

_DATAGRAM_BYTES_MAX = 4096
_EVERYTHING = b"*"
_STOP = b"\0stop"


class Socket:
    """This process's socket: somebody else's ring arrives here. A thread sleeps on it, so that no loop has to."""

    def __init__(self, path: str, name: str, on_ring: Callable[[list[str] | None], None]) -> None:
        self.address = ""
        self._directory: str | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.address = self._bind(path, name)
        except OSError:
            self._socket.close()
            raise
        _ALIVE.add(self)
        thread = threading.Thread(target=_listen, args=(self._socket, on_ring), name="nexus-bell", daemon=True)
        thread.start()

    def _bind(self, path: str, name: str) -> str:
        address = os.path.join(f"{path}-bells", name)
        if len(os.fsencode(address)) <= ADDRESS_BYTES_MAX and _is_private(os.path.dirname(address)):
            try:
                self._socket.bind(address)
            except OSError:
                pass  # a file system without sockets: the temporary directory has them
            else:
                return address
        self._directory = tempfile.mkdtemp(prefix="nexus-")
        address = os.path.join(self._directory, name)
        self._socket.bind(address)
        return address

    def close(self) -> None:
        """End the thread and remove the socket file."""
        _ALIVE.discard(self)
        try:
            self._socket.sendto(_STOP, socket.MSG_DONTWAIT, self.address)
        except OSError:
            self._socket.close()  # full or gone: the thread ends when it looks next
        remove(self.address)
        for directory in (self._directory, os.path.dirname(self.address)):
            if directory is not None:
                _remove_directory(directory)

    def abandon(self) -> None:
        """In a forked child: the socket is the parent's. Held open here it would outlive him."""
        os.close(self._socket.detach())


_ALIVE: weakref.WeakSet[Socket] = weakref.WeakSet()


def _abandon_all() -> None:
    for held in list(_ALIVE):
        held.abandon()
    _ALIVE.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def is_supported() -> bool:
    """Whether this platform has local datagram sockets."""
    return hasattr(socket, "AF_UNIX") and os.name == "posix"


def ring(addresses: Iterable[str], instance_ids: Iterable[str]) -> list[str]:
    """Say "look" to these addresses; those that nobody listens on any more are returned."""
    datagram = b"\n".join(name.encode("utf-8", "surrogatepass") for name in instance_ids)
    if len(datagram) > _DATAGRAM_BYTES_MAX:
        datagram = _EVERYTHING
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        return [address for address in addresses if _fails_refused(sender, address, datagram)]


def is_dead(address: str) -> bool:
    """Whether the process that listened there has ended. Unreachable for other reasons is not dead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


def remove(address: str) -> None:
    """Remove a socket file, if it is there and may be removed."""
    try:
        os.unlink(address)
    except OSError:
        return


def _remove_directory(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        return  # others still use it


def _fails_refused(sender: socket.socket, address: str, datagram: bytes) -> bool:
    try:
        sender.sendto(datagram, socket.MSG_DONTWAIT, address)
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False


def _is_private(directory: str) -> bool:
    """Whether the directory exists, or could be made, and only this user can put sockets there."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        found = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _listen(listening: socket.socket, on_ring: Callable[[list[str] | None], None]) -> None:
    """Pass rings on until told to stop: the ids of the instances that moved, or None for "any"."""
    while True:
        try:
            datagram = listening.recv(_DATAGRAM_BYTES_MAX + 1)
        except OSError:
            return
        if datagram == _STOP:
            listening.close()
            return
        is_any = datagram == _EVERYTHING
        on_ring(None if is_any else [name.decode("utf-8", "surrogatepass") for name in datagram.split(b"\n") if name])
