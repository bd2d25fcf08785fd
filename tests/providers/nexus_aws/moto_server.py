"""DynamoDB, SQS and S3 in one process: moto, made atomic by one lock, on the clock of whoever asks.

Plain moto is not atomic under threads. Each request of ours says what time it is, so that what SQS delays and hides
follows the fake clock of the test. It counts all messages of a queue three times for each that is sent, and asks the
clock for each of them: here once. Run as a script: ``python moto_server.py PORT``; it ends with its standard input.
"""

from __future__ import annotations

import copy
import importlib
import io
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import moto.backends
import moto.sqs.models
from moto.dynamodb.models.table import Table
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

_app = DomainDispatcherApplication(create_backend_app)
_lock = threading.RLock()
_now_us = 0
_of_this_request: dict[Any, Any] = {}
"""What was worked out for the request that is answered: snapshots of tables, numbers of messages."""


class QuietHandler(WSGIRequestHandler):
    """Does not say what it was asked."""

    protocol_version = "HTTP/1.1"  # connections stay open

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


def _seconds() -> float:
    return _now_us / 1_000_000 if _now_us else time.time()


def _milliseconds() -> float:
    return _seconds() * 1_000


def _is_visible(message: Any) -> bool:
    return bool(
        _milliseconds() >= message.visible_at
    )  # moto lets it be seen a moment later, and our clock stands still


def _waiting(queue: Any) -> list[Any]:
    """The messages that may be received now."""
    now = _milliseconds()
    return [each for each in queue._messages if now >= each.visible_at and now >= each.delayed_until]


def _counted_once(is_counted: Callable[[Any, float], bool], queue: Any) -> int:
    """How many messages are so, as of this request: it is asked for with each message that is sent."""
    key = (id(queue), is_counted)
    if key not in _of_this_request:
        now = _milliseconds()
        _of_this_request[key] = sum(is_counted(each, now) for each in queue._messages)
    return int(_of_this_request[key])


def _is_hidden(message: Any, now: float) -> bool:
    return bool(now < message.visible_at)


def _is_delayed(message: Any, now: float) -> bool:
    return bool(now < message.delayed_until)


def _is_neither(message: Any, now: float) -> bool:
    return not _is_hidden(message, now) and not _is_delayed(message, now)


def locked(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    """One request at a time; one that waits for a message lets others pass meanwhile."""
    if environ.get("HTTP_X_AMZ_TARGET") != "AmazonSQS.ReceiveMessage":
        return _answer(environ, start)
    asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    until = time.monotonic() + asked.pop("WaitTimeSeconds", 0)
    body = json.dumps(asked).encode()
    while True:
        again = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        head: list[Any] = []
        answer = _answer(again, partial(_keep, head))
        if time.monotonic() >= until or b"Messages" in answer[0] or not head[0].startswith("200"):
            start(*head)
            return answer
        time.sleep(0.02)


def _keep(head: list[Any], *said: Any) -> None:
    head[:] = said


def _answer(environ: dict[str, Any], start: Any) -> list[bytes]:
    global _now_us
    with _lock:
        _now_us = int(environ.get("HTTP_X_NEXUS_NOW_US", 0))
        _of_this_request.clear()
        return [b"".join(_app(environ, start))]


def _snapshot(table: Table, memo: Any) -> Table:
    """What moto puts back when a transaction fails: it copies the table for each of its rows, and all that is in it.

    One copy is enough: all are made before anything is written. Rows are replaced and never changed here, so the rows
    themselves need no copies.
    """
    if id(table) not in _of_this_request:
        copied = _of_this_request[id(table)] = copy.copy(table)
        copied.items = defaultdict(dict, {key: copy.copy(rows) for key, rows in table.items.items()})
    found: Table = _of_this_request[id(table)]
    return found


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    moto.sqs.models.unix_time = _seconds
    moto.sqs.models.unix_time_millis = _milliseconds
    Table.__deepcopy__ = _snapshot  # type: ignore[attr-defined]
    moto.sqs.models.Message.visible = property(_is_visible)  # type: ignore[assignment,method-assign]
    moto.sqs.models.Queue.messages = property(_waiting)  # type: ignore[assignment,method-assign]
    for name, is_counted in (("", _is_neither), ("_delayed", _is_delayed), ("_not_visible", _is_hidden)):
        count = property(partial(_counted_once, is_counted))
        setattr(moto.sqs.models.Queue, f"approximate_number_of_messages{name}", count)
    importlib.import_module("moto_types")  # beside this script
    modules = frozenset(moto.backends.list_of_moto_modules())
    moto.backends.list_of_moto_modules = lambda: modules  # it reads a directory for each request
    threading.Thread(target=_end_with_input, daemon=True).start()
    run_simple("127.0.0.1", int(sys.argv[1]), locked, threaded=True, request_handler=QuietHandler)
