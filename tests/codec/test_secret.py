"""A secret shows itself to whoever reveals it, and to nobody else: not in text, not in errors, not in clear bytes."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

import nexus_sdk
from nexus_sdk.codec import MsgpackCodec, Secret
from nexus_sdk.codec.wire_json import value_to_json
from nexus_sdk.errors import PayloadError

CLEAR = MsgpackCodec()
HIDDEN = MsgpackCodec(allow_secrets=True)


class Login(BaseModel):
    user: str
    password: SecretStr
    key: SecretBytes = SecretBytes(b"hunter2")
    pin: Secret[int] = Secret(1)
    born: pydantic.Secret[date] = pydantic.Secret(date(2000, 1, 1))


@dataclass
class Vault:
    name: Secret[str]
    dates: list[Secret[date]]


def test_it_is_exported() -> None:
    assert nexus_sdk.Secret is Secret


@pytest.mark.parametrize(
    "show",
    [str, repr, lambda s: f"{s}", lambda s: f"{s!r:>20}", lambda s: "%s %r" % (s, s), lambda s: repr([s, {"a": s}])],  # noqa: UP031
)
def test_no_text_of_it_has_the_value(show: Callable[[Any], str]) -> None:
    assert "Secret(…)" in show(Secret("hunter2"))
    assert "hunter2" not in show(Secret("hunter2"))


def test_a_log_does_not_have_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("x").error("signing in with %s", Secret("hunter2"))
    assert caplog.messages == ["signing in with Secret(…)"]


def test_it_is_a_value() -> None:
    assert Secret("a").reveal() == "a"
    assert Secret("ä\ud800") == Secret("ä\ud800")
    assert Secret(b"a") == Secret(b"a") != Secret(b"b")
    assert Secret("a") != Secret(b"a")
    assert Secret(1) == Secret(1.0)
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    secret = Secret([1])
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@pytest.mark.parametrize(
    ("leak", "error"),
    [
        (pickle.dumps, TypeError),
        (json.dumps, TypeError),
        (vars, TypeError),
        (lambda secret: setattr(secret, "x", 1), AttributeError),
        (lambda secret: delattr(secret, "_Secret__value"), AttributeError),
        (lambda secret: hash(Secret([])), TypeError),
        (iter, TypeError),
    ],
)
def test_it_does_not_leak_by_accident(leak: Callable[[Any], Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        leak(Secret("hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Secret("hunter2"), r"\$"),
        ({"a": [1, {"b": Secret("hunter2")}]}, r"\$\.a\[1\]\.b"),
        (Login(user="ada", password=SecretStr("hunter2")), r"\$\.password"),
        ([SecretBytes(b"hunter2")], r"\$\[0\]"),
        ((pydantic.Secret("hunter2"),), r"\$\[0\]"),
        ({Secret("hunter2"): 1}, r"\$ key Secret\(…\)"),
    ],
)
def test_a_codec_that_does_not_encrypt_refuses_it(value: Any, path: str) -> None:
    with pytest.raises(PayloadError, match=rf"^\[NX501\] {path}: a secret is not written in clear") as caught:
        CLEAR.encode(value)
    assert "hunter2" not in str(caught.value)
    assert "encrypt" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        Secret("x"),
        Secret({"a": (1,)}),
        SecretStr("x"),
        SecretBytes(b"x"),
        {Secret("x"): Secret(None)},
        (SecretStr(""),),
    ],
)
def test_it_comes_back_as_a_secret_without_an_annotation(value: Any) -> None:
    decoded = HIDDEN.decode(HIDDEN.encode(value))
    assert decoded == value
    assert type(decoded) is type(value)


def test_it_comes_back_where_it_is_annotated() -> None:
    login = Login(user="ada", password=SecretStr("hunter2"), pin=Secret(7))
    decoded = HIDDEN.decode(HIDDEN.encode(login), Login)
    assert decoded == login
    assert decoded.pin.reveal() == 7
    assert decoded.born.get_secret_value() == date(2000, 1, 1)
    vault = Vault(Secret("n"), [Secret(date(2020, 1, 1))])
    assert HIDDEN.decode(HIDDEN.encode(vault), Vault) == vault
    assert HIDDEN.decode(HIDDEN.encode(SecretStr("x")), Secret[str]) == Secret("x")


def test_a_bare_value_is_taken_where_a_secret_is_annotated() -> None:
    assert CLEAR.convert("x", Secret[str]) == Secret("x")
    assert CLEAR.convert({"name": "n", "dates": ["2020-01-01"]}, Vault) == Vault(
        Secret("n"), [Secret(date(2020, 1, 1))]
    )


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Secret("hunter2"), str),
        (Secret("hunter2"), int),
        (Secret("hunter2"), Secret[int]),
        ("hunter2", Secret[int]),
        ({"user": 1, "password": "hunter2"}, Login),
        ({"user": "ada", "password": b"hunter2" * 2, "pin": "hunter2"}, Login),
        ([{"password": "hunter2"}], list[int]),
        (["hunter2"], list[pydantic.Secret[int]]),
    ],
)
def test_a_secret_that_does_not_fit_is_not_told(value: Any, type_: Any) -> None:
    with pytest.raises(PayloadError) as caught:
        CLEAR.convert(value, type_)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = None if error.__suppress_context__ and error.__cause__ is None else error.__cause__ or error.__context__


@pytest.mark.parametrize("held", [object(), "hunter2 \ud800", [["hunter2", lambda: 1]]])
def test_what_a_secret_cannot_hold_is_not_told(held: Any) -> None:
    with pytest.raises(PayloadError, match=r"\$\.a: what a secret holds cannot be encoded .*not shown") as caught:
        HIDDEN.encode({"a": Secret(held)})
    assert "hunter2" not in str(caught.value)


def test_a_dumped_model_has_no_secret() -> None:
    assert "7" not in Login(user="ada", password=SecretStr("x"), pin=Secret(7)).model_dump_json()


def test_the_json_view_refuses_it_too() -> None:
    with pytest.raises(PayloadError, match="a secret"):
        value_to_json({"a": Secret("hunter2")})
