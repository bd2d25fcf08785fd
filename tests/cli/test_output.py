"""How things are shown: pure functions."""

from __future__ import annotations

import pytest

from nexus_sdk.cli.output import brief, duration_text, plain, sentence, traceback_of
from nexus_sdk.codec.wire_json import Opaque
from nexus_sdk.core.failure import Failure


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (12.0, "12 s"), (75, "1 min 15 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_custom_status_reads_as_a_sentence() -> None:
    assert sentence({"storing": "3 of 4 files", "skipped": 1}) == "storing 3 of 4 files · skipped 1"
    assert sentence("half-way") == "half-way"
    assert sentence([1, 2]) == "[1, 2]"
    hidden = Opaque(encoding="msgpack+aes-gcm", size=21, key_id="2026")
    assert sentence(plain(hidden)) == "<21 bytes, msgpack+aes-gcm, key '2026'>"


def test_one_line_is_one_line_whatever_it_holds() -> None:
    assert brief("a\nb\tc\udcff") == "a b c\\udcff"
    assert len(brief("x" * 500)) == 200


def test_a_value_without_json_is_shown_all_the_same() -> None:
    assert plain({"set": {2, 1}}) == {"set": [1, 2]}
    assert "object" in plain(object())


def test_tracebacks_are_shown_with_the_cause_first_and_no_text_twice() -> None:
    cause = Failure("ValueError", "no", traceback="Traceback (most recent call last):\n  …\nValueError: no")
    only = Failure("IllegalAwaitError", "awaits", traceback="IllegalAwaitError: awaits")
    assert traceback_of(Failure("X", "", cause=cause, traceback="Traceback …\nX")).index("ValueError") < 100
    assert traceback_of(only) == ""
