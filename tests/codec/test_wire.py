"""The stable form: everything comes back, nothing changes unnoticed, and what is not understood is not guessed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_sdk.codec import shapes, wire
from nexus_sdk.codec.base import NO_VALUE
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.codec.wire_json import batch_from_json, batch_to_json, event_to_json
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import Batch, BatchHeader, Message
from nexus_sdk.core.options import ActivityOptions, RetryPolicy, RetryRule
from nexus_sdk.core.payload import APART, Payload
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.errors import HistoryCorruptedError

CODEC = MsgpackCodec()
VALUE = CODEC.encode({"a": [1, "x"]})
AWAY = dataclasses.replace(VALUE, data=None, reference=APART, schema="s", key_id="k")
FAILURE = Failure(
    type="CardDeclined",
    message="no",
    lineage=("nexus_sdk.errors:ApplicationError", "builtins:Exception"),
    details=VALUE,
    notes=("a note",),
    cause=Failure("KeyError", "'k'"),
    group=(Failure("ValueError", "", details=AWAY),),
    traceback="…",
    retryable=False,
    code="NX601",
)
OPTIONS = ActivityOptions(
    task_queue="q",
    retry=RetryPolicy(rules=(RetryRule(), RetryRule(errors=("KeyError",), max_duration_us=5)), never_on=("X",)),
    start_to_close_us=30_000_000,
    local=True,
    compensation="refund",
    tags=("t",),
)
HEADER = BatchHeader(
    "order-42", "run-1", 1, "turn-1", ("m-1", "m-2"), 1_700_000_000_000_000, "worker", "b1", {"k": "v"}
)
FIRST = wire.first_hash("order-42", "run-1")

strategy_of: dict[type, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False),  # not equal to itself, so nothing could be compared
    str: st.text(st.characters(codec="utf-8"), max_size=8),
    int: st.integers(-(2**63), 2**63 - 1),
    bytes: st.binary(max_size=8),
}


def register_strategies() -> None:
    for type_, strategy in strategy_of.items():
        st.register_type_strategy(type_, strategy)
    st.register_type_strategy(
        Payload, st.one_of(st.just(NO_VALUE), st.just(AWAY), st.builds(CODEC.encode, st.integers()))
    )
    failures = st.deferred(lambda: st.builds(Failure, cause=st.none() | inner, group=st.just(())))
    inner = st.builds(Failure, cause=st.none(), group=st.just(()))
    st.register_type_strategy(Failure, failures)
    st.register_type_strategy(e.Event, st.just(e.TimerFired("0")) | st.just(e.EventReceived("n", VALUE, None)))


register_strategies()
any_event = st.one_of([st.from_type(kind) for kind in e.KINDS.values()])


def decode(events: list[e.Event], *, header: BatchHeader = HEADER) -> Batch:
    return wire.decode_batch(wire.encode_batch(header, events, FIRST)[0])


@given(st.lists(any_event, max_size=4), st.from_type(BatchHeader))
def test_every_event_and_header_comes_back(events: list[e.Event], header: BatchHeader) -> None:
    header = dataclasses.replace(header, format=1)
    data, hash_ = wire.encode_batch(header, events, FIRST)
    assert wire.decode_batch(data) == Batch(header, tuple(events), FIRST, hash_)
    assert wire.encode_batch(header, events, FIRST) == (data, hash_)


@pytest.mark.parametrize("kind", e.KINDS.values(), ids=lambda kind: kind.__name__)
@given(st.data())
def test_each_kind_comes_back(kind: type[e.Event], data: st.DataObject) -> None:
    event = data.draw(st.from_type(kind))
    assert decode([event]).events == (event,)
    json.dumps(event_to_json(event), allow_nan=False)


def test_nested_values_come_back() -> None:
    carried = (e.EventReceived("n", VALUE, "id"), e.CancelRequested("r", e.ParentRef("p", "r", "0.1")))
    events: list[e.Event] = [
        e.WorkflowCreated("w", "1", VALUE, e.ParentRef("p", "r", "0"), carried=carried),
        e.ActivityScheduled("0", "f.py:3", "charge", AWAY, OPTIONS),
        e.ActivityFailed("0", FAILURE, 3, (FAILURE, Failure("T", "m"))),
        e.SideEffectRecorded("1", "f.py:4", NO_VALUE, FAILURE),
    ]
    assert list(decode(events).events) == events


# --- the form does not change unnoticed -------------------------------------------------------------------------------

GOLDEN = bytes.fromhex((Path(__file__).parent / "batch_format_1.hex").read_text())
GOLDEN_HASH = "8a64bbed3ad7a5ca9e19db72b3a35e6cc69b016cfc25ce4e15855758fa70707e"
WITH_DEFAULTS = bytes.fromhex((Path(__file__).parent / "batch_format_1_with_defaults.hex").read_text())
"""The same batch as it was written before the first release: what has its default was not left away."""


def golden_events() -> list[e.Event]:
    return [
        e.WorkflowCreated("fulfil", "1", VALUE),
        e.ActivityScheduled("0", "orders.py:31", "charge", NO_VALUE, OPTIONS),
        e.ActivityFailed("0", FAILURE, attempts=2),
        e.EventAwaited("1", "orders.py:32", "approved"),
        e.CustomStatusSet("", "orders.py:33", AWAY),
    ]


def test_the_bytes_of_a_batch_are_what_they_always_were() -> None:
    """If this fails, the change is wrong and not the test: stored histories have this form."""
    data, hash_ = wire.encode_batch(HEADER, golden_events(), FIRST)
    assert data == GOLDEN
    assert hash_.hex() == GOLDEN_HASH


@pytest.mark.parametrize("data", [GOLDEN, WITH_DEFAULTS])
def test_the_golden_bytes_are_still_read(data: bytes) -> None:
    batch = wire.decode_batch(data)
    assert (batch.header, list(batch.events)) == (HEADER, golden_events())


# --- evolution --------------------------------------------------------------------------------------------------------


def rewritten(data: bytes, change: Any) -> bytes:
    """A batch whose header and event arrays were changed, as another version would write them."""
    head, bodies = msgpack.unpackb(data)
    parts = msgpack.unpackb(head)
    change(parts)
    return msgpack.packb([msgpack.packb(parts), bodies])  # type: ignore[no-any-return]


def test_fields_of_a_later_version_are_passed_over() -> None:
    events: list[e.Event] = [e.ActivityCompleted("0", VALUE, 2, (FAILURE,)), e.TimerFired("1")]

    def add(parts: Any) -> None:
        parts[2].append("new")
        parts[3][0].append({"new": 1})
        parts[3][0][2] += [None, None, None, "new"]  # the payload's array
        parts[3][0][4][0].append("new")  # the failure's array
        parts[3][1].append("new")
        parts.append("new")

    batch = wire.decode_batch(rewritten(wire.encode_batch(HEADER, events, FIRST)[0], add))
    assert (batch.header, list(batch.events)) == (HEADER, events)


def test_fields_that_an_earlier_version_did_not_write_get_their_defaults() -> None:
    def cut(parts: Any) -> None:
        del parts[2][6:]
        del parts[3][0][3:]

    data, _ = wire.encode_batch(HEADER, [e.ActivityCompleted("0", VALUE, 2, (FAILURE,))], FIRST)
    batch = wire.decode_batch(rewritten(data, cut))
    assert batch.header == dataclasses.replace(HEADER, worker="", build="", metadata={})
    assert batch.events == (e.ActivityCompleted("0", VALUE),)


def test_a_missing_field_without_default_is_an_error() -> None:
    data, _ = wire.encode_batch(HEADER, [e.TimerStarted("0", "f.py:1", 5)], FIRST)
    with pytest.raises(HistoryCorruptedError, match="a TimerStarted has 2 fields, 3 are the least"):
        wire.decode_batch(rewritten(data, lambda parts: parts[3][0].__delitem__(slice(3, None))))


def with_kind(number: int) -> bytes:
    data, _ = wire.encode_batch(HEADER, [e.TimerFired("0"), e.TimerFired("1")], FIRST)
    return rewritten(data, lambda parts: parts[3][0].__setitem__(0, number))


def test_what_has_its_default_at_the_end_is_not_written() -> None:
    payloads: list[Payload] = []
    scheduled = e.ActivityScheduled("0", "f.py:3", "charge", NO_VALUE, ActivityOptions())
    completed = e.ActivityCompleted("0", NO_VALUE, attempts=2)
    assert shapes.write_event(scheduled, payloads) == [10, "0", "f.py:3", "charge", [], []]
    assert shapes.write_event(completed, payloads) == [11, "0", [], 2]
    assert decode([scheduled, completed]).events == (scheduled, completed)


@pytest.mark.parametrize("event", golden_events(), ids=lambda event: type(event).__name__)
def test_the_payloads_of_an_event_are_found_in_the_order_in_which_they_are_written(event: e.Event) -> None:
    written: list[Payload] = []
    found: list[Payload] = []
    shapes.write_event(event, written)
    shapes.find_payloads(event, found)
    assert found == written


def test_an_unknown_event_that_may_be_ignored_is_left_out() -> None:
    assert wire.decode_batch(with_kind(e.IGNORABLE_FROM + 100)).events == (e.TimerFired("1"),)


def test_an_unknown_event_that_may_not_be_ignored_stops_the_reader() -> None:
    with pytest.raises(HistoryCorruptedError, match="kind 99 is not known") as caught:
        wire.decode_batch(with_kind(99))
    assert "Upgrade" in caught.value.hint


def test_an_unknown_format_stops_the_reader() -> None:
    data, _ = wire.encode_batch(HEADER, [], FIRST)
    with pytest.raises(HistoryCorruptedError, match="format 2 is not known") as caught:
        wire.decode_batch(rewritten(data, lambda parts: parts.__setitem__(0, 2)))
    assert "Upgrade" in caught.value.hint


def test_an_event_class_that_is_added_later_needs_no_change_here(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, slots=True)
    class Added(e.Input):
        kind: ClassVar[int] = 127
        names: tuple[str, ...]
        failures: tuple[Failure, ...] = ()
        options: ActivityOptions | None = None

    monkeypatch.setitem(e.KINDS, 127, Added)
    events: list[e.Event] = [Added(("a",), (FAILURE,), OPTIONS), Added(())]
    assert list(decode(events).events) == events
    monkeypatch.delitem(shapes._EVENT_READERS, 127)


def test_a_class_that_has_no_place_in_the_form_is_refused_at_once() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        when: complex

    @dataclass
    class Changeable:
        n: int

    for kind in (Odd, Changeable):
        with pytest.raises(TypeError):
            shapes.Shape(kind)


# --- tampering --------------------------------------------------------------------------------------------------------


def history(count: int = 3) -> list[bytes]:
    previous, made = FIRST, []
    for number in range(1, count + 1):
        header = dataclasses.replace(HEADER, number=number, stamped_at_us=number)
        data, previous = wire.encode_batch(header, [e.EventReceived("n", CODEC.encode(number))], previous)
        made.append(data)
    return made


def verify(batches: list[bytes], **more: Any) -> None:
    wire.verify([wire.decode_batch(data) for data in batches], **more)


def test_a_history_verifies_whole_and_in_parts() -> None:
    batches = history()
    last = wire.decode_batch(batches[2])
    verify(batches, last_hash=last.hash)
    verify(batches[1:], after=wire.decode_batch(batches[0]), last_hash=last.hash)
    verify([])


def test_erasing_a_payload_keeps_the_chain() -> None:
    batches = history()
    head, bodies = msgpack.unpackb(batches[1])
    assert len(bodies) == 1
    batches[1] = msgpack.packb([head, [None]])
    verify(batches)
    (event,) = wire.decode_batch(batches[1]).events
    assert isinstance(event, e.EventReceived)
    assert event.payload.data is None
    assert event.payload.size == 1


def replaced_event(data: bytes) -> bytes:
    return rewritten(data, lambda parts: parts[3][0].__setitem__(1, "forged"))


def forged_body(data: bytes, body: Any = b"\x07") -> bytes:
    head, _ = msgpack.unpackb(data)
    return msgpack.packb([head, [body]])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda b: [b[0], replaced_event(b[1]), b[2]], "batch 3: the hash does not fit the batch before it"),
        (lambda b: [b[0], forged_body(b[1]), b[2]], "batch 2: .*do not fit their digest"),
        (lambda b: [b[0], b[2]], "batch 3: the batch before it has number 1"),
        (lambda b: [b[1], b[0], b[2]], "batch 2: the batch before it has number 0"),
        (lambda b: b[1:], "batch 2: "),
        (lambda b: [b[0], b[1], replaced_event(b[2])], "batch 3: the hash is not the one that the instance's record"),
    ],
)
def test_tampering_is_found(tamper: Any, said: str) -> None:
    batches = history()
    with pytest.raises(HistoryCorruptedError, match=said) as caught:
        verify(tamper(batches), last_hash=wire.decode_batch(batches[2]).hash)
    assert "order-42" in str(caught.value)


def stored(batches: list[bytes], whole: list[bytes] | None = None) -> wire.StoredHistory:
    """These bytes as a history of which the record knows the last batch: that of `whole`."""
    last = wire.decode_batch((whole or batches)[-1])
    return wire.StoredHistory("order-42", batches, last_number=last.header.number, last_hash=last.hash)


@pytest.mark.parametrize("count", [1, 2, wire.READ_AHEAD, wire.READ_AHEAD + 1, 2 * wire.READ_AHEAD + 1])
def test_a_stored_history_is_read_each_time_it_is_iterated_over(count: int) -> None:
    batches = history(count)
    kept = stored(batches)
    assert list(kept) == list(kept) == [wire.decode_batch(data) for data in batches]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda b: [*b[:40], replaced_event(b[40]), *b[41:]], id="an event"),
        pytest.param(lambda b: [*b[:40], forged_body(b[40]), *b[41:]], id="a value"),
        pytest.param(lambda b: [*b[:40], forged_body(b[40], 7), *b[41:]], id="no bytes where a value should be"),
        pytest.param(lambda b: [*b[:40], b[40][:-1], *b[41:]], id="cut"),
        pytest.param(lambda b: [*b[:40], *b[41:]], id="one is missing"),
        pytest.param(lambda b: b[:-1], id="the last one is missing"),
        pytest.param(lambda b: [*b[:-1], replaced_event(b[-1])], id="the last one"),
        pytest.param(lambda b: [], id="all are missing"),
    ],
)
def test_what_was_tampered_with_is_never_given_out(tamper: Any) -> None:
    batches = history(50)
    genuine = [wire.decode_batch(data) for data in batches]
    given: list[Batch] = []
    with pytest.raises(HistoryCorruptedError) as caught:
        given.extend(stored(tamper(batches), batches))
    assert "order-42" in str(caught.value) or "are not a batch" in str(caught.value)
    assert given == genuine[: len(given)]


def test_a_replay_does_not_ask_for_values_that_it_does_not_look_at_and_a_check_does() -> None:
    data, _ = wire.encode_batch(HEADER, [e.ActivityScheduled("0", "f.py:1", "charge", VALUE, OPTIONS)], FIRST)
    forged = forged_body(data)
    assert len(list(stored([forged]))) == 1
    with pytest.raises(HistoryCorruptedError, match="do not fit their digest"):
        verify([forged])


def test_a_body_of_another_type_does_not_verify() -> None:
    batches = history()
    with pytest.raises(HistoryCorruptedError, match=r"batch 2: .*do not fit their digest"):
        verify([batches[0], forged_body(batches[1], 7), batches[2]])


def test_a_history_of_another_run_or_instance_does_not_verify() -> None:
    for changed in ({"run_id": "run-2"}, {"instance_id": "order-43"}):
        data, _ = wire.encode_batch(dataclasses.replace(HEADER, **changed), [], FIRST)  # type: ignore[arg-type]
        with pytest.raises(HistoryCorruptedError, match="written for another run"):
            verify([data])
    second, _ = wire.encode_batch(
        dataclasses.replace(HEADER, number=2, run_id="run-2"), [], wire.decode_batch(history()[0]).hash
    )
    with pytest.raises(HistoryCorruptedError, match="belongs to 'order-42', run 'run-1'"):
        verify([history()[0], second])


def test_time_does_not_run_backwards() -> None:
    first, hash_ = wire.encode_batch(HEADER, [], FIRST)
    second, _ = wire.encode_batch(dataclasses.replace(HEADER, number=2, stamped_at_us=1), [], hash_)
    with pytest.raises(HistoryCorruptedError, match="before the time of"):
        verify([first, second])


def test_the_hash_covers_the_head_and_what_was_before() -> None:
    data, hash_ = wire.encode_batch(HEADER, [e.TimerFired("0")], FIRST)
    assert hash_ == sha256(FIRST + msgpack.unpackb(data)[0]).digest()
    assert wire.first_hash("a", "bc") != wire.first_hash("ab", "c")


@given(st.binary(max_size=200))
def test_garbage_is_an_error_of_ours(data: bytes) -> None:
    for read in (wire.decode_batch, wire.decode_request, wire.decode_failure, wire.decode_payload):
        with pytest.raises(HistoryCorruptedError):
            read(data)
    with pytest.raises(HistoryCorruptedError):
        wire.decode_message(data, id="m", accepted_at_us=0, number=1)


@given(st.data())
def test_a_changed_or_cut_batch_decodes_or_is_an_error_of_ours(data: st.DataObject) -> None:
    whole = bytearray(wire.encode_batch(HEADER, golden_events(), FIRST)[0])
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        wire.decode_batch(cut)
    except HistoryCorruptedError as error:
        assert error.hint  # noqa: PT017  # it may also decode: the chain of hashes finds that


# --- outside a history ------------------------------------------------------------------------------------------------


@given(st.from_type(Message))
def test_messages_come_back(message: Message) -> None:
    data = wire.encode_message(message)
    known = {"id": message.id, "accepted_at_us": message.accepted_at_us, "number": message.number}
    assert wire.decode_message(data, **known) == message  # type: ignore[arg-type]


def test_messages_and_requests_vouch_for_their_payloads() -> None:
    value = CODEC.encode("the truth")
    message = wire.encode_message(Message("m", e.EventReceived("told", value), 0))
    request = wire.encode_request(ActivityRequest("a", "r", "0", "w", "1", "n", value, ActivityOptions(), 0))
    wire.decode_message(message, id="m", accepted_at_us=0, number=1)
    with pytest.raises(HistoryCorruptedError, match=r"a message: the .* bytes of a payload do not fit their digest"):
        wire.decode_message(message.replace(b"the truth", b"the lies!"), id="m", accepted_at_us=0, number=1)
    wire.decode_request(request)
    with pytest.raises(HistoryCorruptedError, match=r"a request: the .* bytes of a payload do not fit their digest"):
        wire.decode_request(request.replace(b"the truth", b"the lies!"))


@given(st.from_type(ActivityRequest))
def test_requests_come_back(request: ActivityRequest) -> None:
    assert wire.decode_request(wire.encode_request(request)) == request


@pytest.mark.parametrize("payload", [VALUE, AWAY, NO_VALUE, CODEC.encode(b"x" * 1000)])
def test_payloads_come_back(payload: Payload) -> None:
    assert wire.decode_payload(wire.encode_payload(payload)) == payload


@given(st.from_type(Failure))
def test_failures_come_back(failure: Failure) -> None:
    assert wire.decode_failure(wire.encode_failure(failure)) == failure


# --- bytes that lie apart ---------------------------------------------------------------------------------------------

LARGE = CODEC.encode(b"x" * 5_000)


def with_a_large_result() -> bytes:
    return wire.encode_batch(HEADER, [e.ActivityCompleted("0", LARGE)], FIRST)[0]


def test_what_is_larger_than_allowed_lies_apart_and_comes_back() -> None:
    whole = with_a_large_result()
    assert wire.set_apart(whole, LARGE.size) == (whole, {}), "exactly as large as allowed"
    data, blobs = wire.set_apart(whole, LARGE.size - 1)
    assert blobs == {LARGE.digest: LARGE.data}
    assert wire.apart_in(data) == [LARGE.digest]
    assert wire.set_in(data, blobs) == whole
    assert wire.set_in(data, {}) == data
    assert wire.decode_batch(data).hash == wire.decode_batch(whole).hash


def test_bytes_that_look_like_a_reference_are_none() -> None:
    looks_so = CODEC.encode([b"\x91\xc4\x20" + b"d" * 32, [b"d" * 32]])
    data = wire.encode_payload(looks_so)
    assert wire.apart_in(data) == []
    assert wire.decode_payload(wire.set_in(data, {b"d" * 32: b"other"})) == looks_so


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data + b"x", id="longer"),
        pytest.param(lambda data: msgpack.packb([b"\x91\xc4\x20", [[b"d" * 32, 1]]]), id="more than a digest"),
        pytest.param(lambda data: msgpack.packb([b"\x91\xc4\x20", [[7]]]), id="no digest"),
        pytest.param(lambda data: msgpack.packb([b"\x91\xc4\x20", [[]]]), id="nothing"),
        pytest.param(lambda data: msgpack.packb(b"\x91\xc4\x20"), id="no array"),
    ],
)
def test_garbage_that_looks_like_a_reference_is_an_error_of_ours(change: Any) -> None:
    data = change(wire.set_apart(with_a_large_result(), 1_000)[0])
    with pytest.raises(HistoryCorruptedError):
        wire.apart_in(data)
    with pytest.raises(HistoryCorruptedError):
        wire.set_in(data, {})


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_a_batch_as_json_shows_values_and_times_and_can_be_read_back() -> None:
    data, hash_ = wire.encode_batch(HEADER, golden_events(), FIRST)
    batch = wire.decode_batch(data)
    exported = json.loads(json.dumps(batch_to_json(batch), allow_nan=False))
    assert exported["stamped_at"] == "2023-11-14T22:13:20+00:00"
    assert exported["stamped_at_us"] == 1_700_000_000_000_000
    assert exported["hash"] == hash_.hex()
    created, scheduled, failed, _, status = exported["events"]
    assert created["event"] == "WorkflowCreated"
    assert created["arguments"] == {"a": [1, "x"]}
    assert scheduled["arguments"] is None
    assert scheduled["options"]["retry"]["rules"][1]["errors"] == ["KeyError"]
    assert "start_to_close" not in scheduled["options"], "a duration is no moment"
    assert failed["failure"]["cause"]["type"] == "KeyError"
    assert status["value"]["reference"] == APART
    assert batch_from_json(exported) == batch


@pytest.mark.parametrize("exported", [{}, {"wire": 3}, {"wire": "%"}, {"wire": "AAAA"}])
def test_what_is_no_exported_batch_is_refused(exported: dict[str, Any]) -> None:
    with pytest.raises(HistoryCorruptedError):
        batch_from_json(exported)


def test_values_without_a_notation_in_json_are_shown_as_text() -> None:
    value = {1: b"\x00", "nan": float("nan"), "set": {2, 1}, "t": (1,)}
    shown = event_to_json(e.EventReceived("n", CODEC.encode(value)))["payload"]
    assert shown == {"1": "AA==", "nan": "nan", "set": [1, 2], "t": [1]}
    broken = dataclasses.replace(VALUE, data=b"\xc1")
    assert "unreadable" in event_to_json(e.EventReceived("n", broken))["payload"]
