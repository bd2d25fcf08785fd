"""However odd an exception is, it becomes a failure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from nexus_sdk.codec.failures import DEPTH_MAX, FAILURES_MAX, NOTES_MAX, TEXT_MAX, failure_from
from nexus_sdk.codec.secret import Secret
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.codec.wire import decode_failure, encode_failure
from nexus_sdk.core.failure import Failure, details_of
from nexus_sdk.errors import (
    ActivityFailed,
    ApplicationError,
    CancelledError,
    NonDeterminismError,
    WorkflowFailed,
)
from tests.scenarios.odd_exceptions import MORE

CODEC = MsgpackCodec()


class TwoArguments(ValueError):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Worse(Silent):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Declined(ApplicationError):
    pass


def read(error: BaseException, *, with_traceback: bool = True) -> Failure:
    return failure_from(error, CODEC, with_traceback=with_traceback)


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ValueError(), "ValueError", ""),
        (ValueError("a"), "ValueError", "a"),
        (ValueError("a", 2), "ValueError", "('a', 2)"),
        (KeyError("k"), "KeyError", "'k'"),
        (TwoArguments(3, "no"), "TwoArguments", "3: no"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (CancelledError("stop"), "CancelledError", "stop"),
        (ValueError("\ud800"), "ValueError", "\\ud800"),
        (Silent(1), "Silent", "<its __str__ raises RuntimeError; its arguments are (1,)>"),
        (Worse(Worse()), "Worse", "<its __str__ raises RuntimeError>"),
        (ApplicationError("declined", type="CardDeclined"), "CardDeclined", "declined"),
        (Declined("declined"), "Declined", "declined"),
        (NonDeterminismError("differs", hint="mend it"), "NonDeterminismError", "differs\nmend it"),
    ],
)
def test_type_and_message(error: BaseException, type_: str, message: str) -> None:
    failure = read(error)
    assert (failure.type, failure.message) == (type_, message)
    assert failure.is_type(type(error))


def test_a_subclass_is_of_its_bases_types() -> None:
    failure = read(TwoArguments(1, "x"))
    assert failure.is_type(ValueError)
    assert failure.is_type("ValueError")
    assert not failure.is_type(KeyError)


def test_our_own_errors_keep_their_code() -> None:
    assert read(NonDeterminismError("x")).code == "NX201"
    assert read(ValueError()).code is None


def test_an_application_error_keeps_details_and_whether_a_retry_helps() -> None:
    failure = read(ApplicationError("no", details={"funds": (1, 2)}, retryable=False))
    assert details_of(failure, CODEC) == {"funds": (1, 2)}
    assert not failure.retryable
    assert read(ValueError()).retryable
    assert details_of(read(ApplicationError("no")), CODEC) is None


def test_details_that_cannot_be_encoded_become_their_repr() -> None:
    failure = read(ApplicationError("no", details={"a": object()}))
    assert details_of(failure, CODEC).startswith("{'a': <object")
    assert "$.a: a value of type object" in failure.notes[-1]


def test_notes_are_kept() -> None:
    error = ValueError()
    error.add_note("first")
    error.__notes__.append(2)  # type: ignore[arg-type]
    assert read(error).notes == ("first", "2")
    error.__notes__ = None  # type: ignore[assignment]
    assert read(error).notes == ()


def test_cause_and_context_are_followed_as_python_shows_them() -> None:
    explicit = raised(ValueError(), cause=KeyError("k"))
    assert read(explicit).cause == read(KeyError("k"))
    hidden = ValueError()
    hidden.__context__, hidden.__suppress_context__ = KeyError("k"), True
    assert read(hidden).cause is None
    hidden.__suppress_context__ = False
    assert read(hidden).cause == read(KeyError("k"))


def test_a_chain_that_leads_back_to_itself_is_cut() -> None:
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    failure = read(one)
    assert failure.cause is not None
    assert failure.cause.cause is None
    assert "left out" in failure.cause.notes[-1]


def test_a_long_chain_is_cut() -> None:
    error = ValueError("0")
    for number in range(1, 50):
        cause, error = error, ValueError(str(number))
        error.__cause__ = cause
    depth, failure = 0, read(error)
    while failure.cause is not None:
        depth, failure = depth + 1, failure.cause
    assert depth == DEPTH_MAX - 1
    assert "left out" in failure.notes[-1]


def test_a_group_has_its_members() -> None:
    group = BaseExceptionGroup("g", [ValueError("a"), ExceptionGroup("h", [KeyError("b")]), KeyboardInterrupt()])
    failure = read(group)
    assert [member.type for member in failure.group] == ["ValueError", "ExceptionGroup", "KeyboardInterrupt"]
    assert failure.group[1].group == (read(KeyError("b")),)


def test_a_large_group_is_cut_and_says_so() -> None:
    failure = read(ExceptionGroup("g", [ValueError(str(number)) for number in range(150)]))
    assert len(failure.group) == 100
    assert "50 members" in failure.notes[-1]


def test_a_remote_failure_has_what_it_carries_as_its_cause() -> None:
    remote = read(ApplicationError("declined", type="CardDeclined", details=3))
    failure = read(raised(ActivityFailed("charge", failure=remote, attempts=3)))
    assert failure.type == "ActivityFailed"
    assert failure.message == "activity 'charge' failed after 3 attempts: CardDeclined: declined"
    assert failure.cause is remote
    assert details_of(failure, CODEC) == 3
    assert read(WorkflowFailed("x", failure=remote)).cause is remote


def test_the_traceback_has_the_users_frames_only() -> None:
    def users() -> None:
        CODEC.encode(object())

    with pytest.raises(Exception) as caught:
        users()
    text = read(caught.value).traceback
    assert "in users" in text
    assert "nexus_sdk/codec" not in text
    assert text.splitlines()[0] == "Traceback (most recent call last):"
    assert read(caught.value, with_traceback=False).traceback == ""
    assert read(ValueError("never raised")).traceback == "ValueError: never raised"


def test_long_texts_keep_head_and_tail() -> None:
    failure = read(raised(ValueError("head" + "x" * 100_000 + "tail")))
    assert len(failure.message) <= TEXT_MAX
    assert failure.message.startswith("head")
    assert failure.message.endswith("tail")
    assert "characters left out" in failure.message
    assert len(failure.traceback) <= TEXT_MAX


def test_a_deep_recursion_has_a_short_traceback() -> None:
    def dive(n: int) -> Any:
        return dive(n + 1)

    with pytest.raises(RecursionError) as caught:
        dive(0)
    failure = read(caught.value)
    assert failure.type == "RecursionError"
    assert len(failure.traceback) <= TEXT_MAX


def test_a_failure_is_nothing_but_data() -> None:
    failure = read(raised(ValueError(object()), cause=Silent()))
    assert dataclasses.replace(failure) == failure


@pytest.mark.parametrize("name", MORE)
def test_the_oddest_exceptions_become_data_of_bounded_size(name: str) -> None:
    try:
        MORE[name][0]()
    except BaseException as error:
        failure = read(error)
    data = encode_failure(failure)
    assert decode_failure(data) == failure
    assert len(data) < 1_000_000
    assert failure.lineage[-1] == "builtins:BaseException"
    assert failure.traceback
    assert "hunter2" not in failure.message


def test_groups_within_groups_are_cut_in_all() -> None:
    error: Exception = ValueError()
    for _ in range(15):
        error = ExceptionGroup("g", [error] * 50)

    def count(failure: Failure) -> int:
        return 1 + sum(map(count, failure.group))

    failure = read(error)
    assert count(failure) == FAILURES_MAX
    assert "members of this group are left out" in failure.notes[-1]


def test_many_notes_are_cut() -> None:
    error = ValueError()
    error.__notes__ = ["n" * 100] * 1_000
    notes = read(error).notes
    assert len(notes) == NOTES_MAX + 1
    assert notes[-1] == "nexus: 900 notes are left out"
    assert all(len(note) <= TEXT_MAX for note in notes)


def test_notes_that_are_no_list_are_one_note() -> None:
    error = ValueError()
    error.__notes__ = "text"  # type: ignore[assignment]
    assert read(error).notes == ("text",)


def test_pydantic_errors_do_not_repeat_their_input() -> None:
    class Account(BaseModel):
        id: int
        tags: list[str]

    with pytest.raises(ValidationError) as caught:
        Account.model_validate({"id": "hunter2", "tags": [7]})
    failure = read(caught.value)
    assert failure.message.splitlines() == [
        "2 validation error(s) for Account",
        "id: Input should be a valid integer, unable to parse string as an integer",
        "tags.0: Input should be a valid string",
    ]


def test_details_with_a_secret_are_not_told() -> None:
    failure = read(ApplicationError("no", details={"password": Secret("hunter2")}))
    assert details_of(failure, CODEC) == "{'password': Secret(…)}"
    assert "hunter2" not in repr(failure)
