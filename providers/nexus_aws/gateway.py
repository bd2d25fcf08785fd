"""Requests as a Function URL, an API Gateway or a load balancer hands them over, and answers as these want them.

Payload format 2.0 (Function URLs, HTTP APIs) and 1.0 (REST APIs, load balancers). The one rule: an answer that is
larger than a function may give becomes an error that says so.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from nexus_aws.limits import RESPONSE_BYTES_MAX
from nexus_sdk.client.http import Request, Response, refusal
from nexus_sdk.errors import InvalidRequest, PayloadTooLarge

Event = Mapping[str, Any]


def is_http(event: Event) -> bool:
    """Whether this is a request over HTTP."""
    return "httpMethod" in event or "http" in (event.get("requestContext") or {})


def request_of(event: Event) -> Request:
    """The request in an event.

    Raises:
        InvalidRequest: its body is not what it says that it is.
    """
    context = event.get("requestContext") or {}
    headers = {name.lower(): str(value) for name, value in _one_each(event, "headers", "multiValueHeaders").items()}
    if "http" in context:
        method, path = context["http"]["method"], event.get("rawPath", "/")
        query = dict(parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True))
    else:
        method, path = event["httpMethod"], event.get("path", "/")
        query = _one_each(event, "queryStringParameters", "multiValueQueryStringParameters")
    return Request(method, _own_path(event, path), query, headers, _body_of(event))


def event_answer(response: Response) -> dict[str, Any]:
    """An answer, as the event's source wants it."""
    answer = _answer(response)
    if len(json.dumps(answer)) > RESPONSE_BYTES_MAX:
        answer = _answer(refusal(too_large()))
    return answer


def too_large() -> PayloadTooLarge:
    """What is said instead of an answer that is too large."""
    return PayloadTooLarge(
        f"The answer is larger than the {RESPONSE_BYTES_MAX:,} bytes that a function may give.",
        hint="Ask for less (limit=…), or read it with `nexus history` or `nexus show` from the store.",
    )


def _answer(response: Response) -> dict[str, Any]:
    return {
        "statusCode": response.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store", **response.headers},
        "body": json.dumps(response.body, allow_nan=False),
        "isBase64Encoded": False,
    }


def _own_path(event: Event, path: str) -> str:
    """The path behind whatever the function is mounted at: a greedy ``{proxy+}``, or the name of a stage."""
    proxy = (event.get("pathParameters") or {}).get("proxy")
    if proxy is not None:
        return f"/{proxy}"
    stage = (event.get("requestContext") or {}).get("stage", "$default")
    return path.removeprefix(f"/{stage}") if path.startswith(f"/{stage}/") else path


def _one_each(event: Event, single: str, multi: str) -> dict[str, str]:
    """Of each name one value: the last, as where only one is handed over."""
    many = event.get(multi) or {}
    return {**{name: values[-1] for name, values in many.items() if values}, **(event.get(single) or {})}


def _body_of(event: Event) -> bytes:
    body = event.get("body") or ""
    try:
        return b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except ValueError as error:
        raise InvalidRequest(f"the body is not what it says that it is: {error}.", hint="Send JSON in UTF-8.") from None
