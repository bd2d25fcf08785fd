"""The routes that a function answers over HTTP, and their errors: pure of any server or gateway.

Who hosts it turns what he gets into a `Request` and a `Response` into what he gives. The one rule: whatever a request
looks like, it is answered with JSON; what is wrong has a code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from nexus_sdk.client.actions import Answer, act
from nexus_sdk.client.client import Client
from nexus_sdk.client.json_views import error_to_json
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import (
    BlockingError,
    ConflictError,
    DefinitionError,
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    InvalidArgument,
    InvalidRequest,
    NexusError,
    PayloadError,
    PayloadTooLarge,
    PayloadUnreadable,
    SignatureMismatch,
    StoreError,
    StoreUnavailable,
    UnknownQuery,
    WrongStatus,
)

IDEMPOTENCY_KEY = "idempotency-key"
"""The header that makes a request one that may be repeated."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path`: percent-encoded or not; `headers`: names in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `body` is what becomes JSON."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A path and what it stands for.

    Attributes:
        path: its parts; those in braces are fields of the action.
        body: the field that the body is; empty: the body is an object of fields; None: there is none.
        key: the field that the header `Idempotency-Key` is, if any.
        status: of an answer, when nothing is wrong.
    """

    method: str
    path: str
    action: str
    body: str | None = None
    key: str = ""
    status: int = 200

    def fields_of(self, parts: list[str]) -> dict[str, str] | None:
        """The fields in a path; None: it is another one."""
        own = self.path.strip("/").split("/")
        if len(own) != len(parts):
            return None
        pairs = list(zip(own, parts, strict=True))
        if any(name != part for name, part in pairs if not name.startswith("{")):
            return None
        return {name.strip("{}"): part for name, part in pairs if name.startswith("{")}


ROUTES = (
    Route("POST", "/workflows/{workflow}", "start", body="", key="request_id", status=202),
    Route("GET", "/instances", "list"),
    Route("GET", "/instances/{id}", "status"),
    Route("GET", "/instances/{id}/result", "result"),
    Route("GET", "/instances/{id}/history", "history"),
    Route("POST", "/instances/{id}/events/{name}", "event", body="payload", key="event_id", status=202),
    Route("GET", "/instances/{id}/queries/{name}", "query"),
    Route("POST", "/instances/{id}/queries/{name}", "query", body="arguments"),
    *(
        Route("POST", f"/instances/{{id}}/{action}", action, body="", status=202)
        for action in ("cancel", "terminate", "suspend", "resume", "rewind")
    ),
)

NUMBERS = frozenset({"after", "limit"})
"""Fields that are whole numbers where they stand in a query string."""

STATUSES: tuple[tuple[type[NexusError], int], ...] = (
    (InstanceNotFound, 404),
    (UnknownQuery, 404),
    (InstanceExists, 409),
    (InstanceFinished, 409),
    (WrongStatus, 409),
    (SignatureMismatch, 400),
    (DefinitionError, 404),
    (InvalidArgument, 400),
    (PayloadTooLarge, 413),
    (PayloadUnreadable, 500),
    (PayloadError, 400),
    (BlockingError, 409),
    (StoreUnavailable, 503),
    (ConflictError, 503),
    (StoreError, 500),
)
"""The status of an error: that of the first class it is an instance of; 500 for any other."""


class _Refused(Exception):
    """No route leads there."""

    def __init__(self, status: int, error: InvalidRequest, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.response = refusal(error, status, headers or {})


async def answer(client: Client, request: Request, *, seconds: float) -> Response:
    """The answer to a request.

    Args:
        seconds: how long it may take.
    """
    try:
        route, in_path = _route_of(request)
        in_body = {} if route.body is None else _fields_of_body(route.body, request.body)
        fields = {**_fields_of_query(request.query), **in_body, **in_path}  # what a path says stands
        if route.key and (key := request.headers.get(IDEMPOTENCY_KEY)) is not None:
            fields[route.key] = key
        said = await act(client, route.action, fields, seconds=seconds)
        return Response(_status_of(route, said), said, _headers_of(route, said))
    except _Refused as refused:
        return refused.response
    except NexusError as error:
        return refusal(error)


def refusal(error: NexusError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that tells an error."""
    if status is None:
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    more = {"retry-after": "1"} if status == 503 else {}
    return Response(status, {"error": error_to_json(error)}, {**more, **(headers or {})})


def _route_of(request: Request) -> tuple[Route, dict[str, str]]:
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    found = [(route, fields) for route in ROUTES if (fields := route.fields_of(parts)) is not None]
    for route, fields in found:
        if route.method == request.method.upper():
            return route, fields
    if found:
        allowed = ", ".join(route.method for route, _ in found)
        error = InvalidRequest(f"{request.method} {request.path} is not served.", hint=f"Allowed: {allowed}.")
        raise _Refused(405, error, {"allow": allowed})
    hint = f"Paths: {', '.join(sorted({route.path for route in ROUTES}))}."
    raise _Refused(404, InvalidRequest(f"There is no path {shown(request.path)}.", hint=hint))


def _fields_of_query(query: Mapping[str, str]) -> dict[str, Any]:
    return {name: _field_of_query(name, text) for name, text in query.items()}


def _field_of_query(name: str, text: str) -> Any:
    if name in NUMBERS or name == "wait":
        try:
            return int(text) if name in NUMBERS else float(text)
        except ValueError:
            return text  # a duration such as "20s"; anything else is told by the action
    return _json_of(text, f"the query parameter {name!r}") if name in ("arguments", "attributes") else text


def _fields_of_body(name: str, body: bytes) -> dict[str, Any]:
    """The fields that a body brings: an object's, or one that it is itself."""
    if not body.strip():
        return {}
    value = _json_of(body, "the body")
    if name:
        return {name: value}
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body is an object, got {shown(value)}.", hint='For example: {"arguments": {…}}.')
    return value


def _json_of(text: str | bytes, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidRequest(
            f"{what} is not JSON: {said}.", hint='JSON in UTF-8; texts stand in double quotes: "Ada".'
        ) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _status_of(route: Route, said: Answer) -> int:
    """A result that is not there yet is 202: ask again."""
    if route.action == "result" and "result" not in said and "error" not in said:
        return 202
    return route.status


def _headers_of(route: Route, said: Answer) -> dict[str, str]:
    return {"location": f"/instances/{quote(said['id'], safe='')}"} if route.action == "start" else {}
