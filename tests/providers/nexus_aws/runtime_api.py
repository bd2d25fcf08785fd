"""What Lambda is to a function: the Runtime API over HTTP, and the process of the real `awslambdaric` that asks it.

One process serves one invocation at a time. One that dies, or takes too long, is gone, and the next invocation begins
in a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from queue import Empty, Queue
from typing import Any

ROOT = Path(__file__).parents[3]

PATH = "/2018-06-01/runtime"

PATIENCE_SECONDS = 60.0
"""So long a process may take to start on a loaded machine."""


class FunctionDied(Exception):
    """The process ended in the middle of an invocation, or was ended because its time was over."""


class FunctionFailed(Exception):
    """The handler raised. `error`: what the runtime has said of it."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('errorType')}: {error.get('errorMessage')}")
        self.error = error


class _Invocation:
    def __init__(self, id: str, event: Any, seconds: float, custom: Mapping[str, Any] | None) -> None:
        self.id = id
        self.event = event
        self.seconds = seconds
        self.custom = custom
        self.answers: Queue[tuple[str, Any]] = Queue()


class Container:
    """A function's process. `handler`: ``path/to/module.name``; `folder`: where it starts; `python`: the interpreter.

    Attributes:
        starts: so many processes were started: cold starts.
        last_request_id: of the last invocation.
    """

    def __init__(
        self,
        handler: str,
        variables: Mapping[str, str],
        folder: Path = ROOT,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.starts = 0
        self.last_request_id = ""
        self._handler = handler
        self._variables = dict(variables)
        self._folder = folder
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: Queue[_Invocation] = Queue()
        self._invocation: _Invocation | None = None
        self._ids = count(1)
        self._server = _RuntimeApi(self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def invoke(self, event: Any, *, seconds: float = 30.0, custom: Mapping[str, Any] | None = None) -> Any:
        """What the handler gives.

        Args:
            custom: is found in the ``client_context`` of the handler's context.

        Raises:
            FunctionFailed: the handler raised.
            FunctionDied: the process is gone.
        """
        self.last_request_id = f"request-{id(self):x}-{next(self._ids)}"
        invocation = _Invocation(self.last_request_id, event, seconds, custom)
        self._invocation = invocation
        if self._process is None or self._process.poll() is not None:
            self._start()
        self._waiting.put(invocation)
        try:
            kind, answer = invocation.answers.get(timeout=seconds + PATIENCE_SECONDS)
        except Empty:
            kind, answer = "died", "its time was over"
        if kind == "died":
            self.kill()
            raise FunctionDied(answer)
        if kind == "error":
            raise FunctionFailed(answer)
        return answer

    def kill(self) -> None:
        """End the process, as Lambda does: at whatever instruction it is."""
        process, self._process = self._process, None
        self._waiting = Queue()  # whoever asks on behalf of the dead one gets nothing
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it all."""
        self.kill()
        self._server.shutdown()
        self._server.server_close()

    def _start(self) -> None:
        self.starts += 1
        variables = {**os.environ, **self._variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}"}
        variables |= {"AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
        command = [*self._python, "-m", "awslambdaric", self._handler]
        process = self._process = subprocess.Popen(command, env=variables, cwd=self._folder)
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if self._process is process and self._invocation is not None:
            self._invocation.answers.put(("died", f"it ended with {code}"))

    # --- what the process asks ----------------------------------------------------------------------------------------

    def next_invocation(self, asker: _Handler) -> None:
        """Hand out the next event, when there is one."""
        invocation = self._waiting.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(round((time.time() + invocation.seconds) * 1_000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:orders",
            "Lambda-Runtime-Trace-Id": "Root=1-0-0",
        }
        if invocation.custom is not None:
            headers["Lambda-Runtime-Client-Context"] = json.dumps({"custom": invocation.custom})
        asker.say(200, json.dumps(invocation.event).encode(), headers)

    def heard(self, path: str, body: bytes) -> None:
        """Take the answer to an event."""
        invocation = self._invocation
        kind = path.rpartition("/")[2]
        if invocation is not None and (f"/{invocation.id}/" in path or path.endswith("init/error")):
            invocation.answers.put((kind, json.loads(body or b"null")))


class _RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, container: Container) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.container = container

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a process that was killed while it was spoken to."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        container: Container = self.server.container  # type: ignore[attr-defined]
        container.next_invocation(self)

    def do_POST(self) -> None:
        container: Container = self.server.container  # type: ignore[attr-defined]
        container.heard(self.path, self.rfile.read(int(self.headers["Content-Length"])))
        self.say(202, b'{"status": "OK"}', {})

    def say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
