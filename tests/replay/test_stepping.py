"""`--step`: keys in, screens out; and once on a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from nexus_sdk.cli.keys import keys_in
from nexus_sdk.cli.stepping import HELP, Stepper
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.errors import NonDeterminismError
from nexus_sdk.replay.explanation import explain
from nexus_sdk.replay.player import play
from nexus_sdk.replay.recorded import Recording
from tests.replay.conftest import SHOP, forget, record

CODEC = MsgpackCodec()


def stepper_of(recording: Recording, *, at: int = 1) -> Stepper:
    import shop

    played = play(shop.shop, recording.run(), CODEC)
    why = explain(shop.shop, played, CODEC) if isinstance(played.error, NonDeterminismError) else None
    return Stepper(shop.shop, recording, played, why, CODEC, at=at)


def typed(stepper: Stepper, *keys: str) -> int:
    for key in keys:
        stepper.key(key)
    return stepper.at


def text_of(stepper: Stepper, width: int = 100, height: int = 40) -> str:
    lines = stepper.screen(width, height)
    return "\n".join("".join(piece if isinstance(piece, str) else piece[0] for piece in line) for line in lines)


def test_forward_and_back(recording: Recording) -> None:
    stepper = stepper_of(recording)
    assert typed(stepper, "n") == 2
    assert typed(stepper, "right", "down", " ", "enter") == 6
    assert typed(stepper, "b") == 5
    assert typed(stepper, "left", "up", "p") == 2
    assert typed(stepper, "end") == 15
    assert typed(stepper, "n") == 15
    assert "This is the last event." in text_of(stepper)
    assert typed(stepper, "home") == 1
    assert typed(stepper, "b") == 1
    assert "This is the first event." in text_of(stepper)
    assert typed(stepper, "page down") == 11
    assert typed(stepper, "page up") == 1


def test_to_a_number(recording: Recording) -> None:
    stepper = stepper_of(recording)
    assert typed(stepper, "g", "1", "2", "enter") == 12
    assert typed(stepper, "7", "enter") == 7
    assert typed(stepper, "g", "9", "9", "enter") == 7
    assert "There is no event 99" in text_of(stepper)
    assert typed(stepper, "g", "x", "enter") == 7
    assert "'x' is no number" in text_of(stepper)
    assert typed(stepper, "g", "3", "escape") == 7
    assert typed(stepper, "g", "1", "3", "backspace", "enter") == 1


def test_search_by_kind_name_value_and_source(recording: Recording) -> None:
    stepper = stepper_of(recording)
    rows = stepper.text.rows
    assert rows[typed(stepper, "/", *"timerfired", "enter") - 1].event == "TimerFired"
    assert "book" in rows[typed(stepper, "/", *"Book", "enter") - 1].operation
    first = stepper.at
    assert typed(stepper, ".") != first
    assert typed(stepper, ",") == first
    assert "rug" in rows[typed(stepper, "/", *"rug", "enter") - 1].detail
    assert stepper.played.places[typed(stepper, "/", *"ctx.complete", "enter")].text == "yield ctx.complete(total)"
    assert typed(stepper, ".") == stepper.at
    before = stepper.at
    assert typed(stepper, "/", *"nowhere", "enter") == before
    assert "nothing with 'nowhere'" in text_of(stepper)


def test_the_screen_shows_rows_source_and_variables(recording: Recording) -> None:
    stepper = stepper_of(recording, at=4)
    shown = text_of(stepper)
    assert "order-42  shop" in shown
    assert "event 4 of 15" in shown
    assert re.search(r"▶ +4 +ActivityScheduled", shown)
    assert re.search(r"→ +16 +    cost = await price\(item\)", shown)
    assert "item = 'lamp'" in shown
    assert "items = ['lamp', 'rug']" in shown
    assert "q quit" in shown


@pytest.mark.parametrize(("width", "height"), [(100, 32), (60, 24), (40, 12), (200, 60), (10, 3)])
def test_the_screen_fits(recording: Recording, width: int, height: int) -> None:
    stepper = stepper_of(recording)
    for key in ("n", "n", "n", "n", "?", "x", "v", "x", "end", "/"):
        stepper.key(key)
        lines = stepper.screen(width, height)
        assert len(lines) == max(height, 12)
        assert all("\n" not in piece for line in lines for piece in _texts(line))
        assert cell_len("".join(_texts(lines[0]))) <= max(width, 40)


def _texts(line: Any) -> list[str]:
    return [piece if isinstance(piece, str) else piece[0] for piece in line]


def test_every_key_is_on_the_help_page(recording: Recording) -> None:
    stepper = stepper_of(recording)
    stepper.key("?")
    shown = text_of(stepper)
    for keys, what in HELP:
        assert keys in shown
        assert what in shown
    typed(stepper, "escape")
    assert "event 1 of 15" in text_of(stepper)
    assert typed(stepper, "z") == 1
    assert "? shows the keys" in text_of(stepper)


def test_values_can_be_seen_whole(folder: Path, recording: Recording) -> None:
    stepper = stepper_of(recording, at=11)
    stepper.key("v")
    shown = text_of(stepper, 40)
    assert "shop: bookings" in shown or "shop: items" in shown
    assert "['lamp', 'rug']" in shown
    typed(stepper, "down", "up", "page down", "page up", "q")
    assert not stepper.is_over
    stepper.key("q")
    assert stepper.is_over


def test_where_code_and_record_part_is_shown(folder: Path, recording: Recording) -> None:
    text = SHOP.replace("    total = sum(", "    yield ctx.sleep(9)\n    total = sum(")
    (folder / "shop.py").write_text(text, encoding="utf-8")
    forget(folder)
    stepper = stepper_of(recording, at=15)
    assert "The code never comes here: d tells why." in text_of(stepper)
    assert typed(stepper, "d") == 14
    assert "a timer (shop.py:" in text_of(stepper)
    assert "was added" in text_of(stepper)
    typed(stepper, "escape")
    assert "code and record part here: d" in text_of(stepper)
    forget(folder)


def test_what_terminals_send_is_understood() -> None:
    assert list(keys_in("n\x1b[A\x1b[C\x1b[5~\x1bOH\r\x7f")) == [
        "n",
        "up",
        "right",
        "page up",
        "home",
        "enter",
        "backspace",
    ]
    assert list(keys_in("\x1b")) == ["escape"]
    assert list(keys_in("\x1b[24~q")) == ["q"]  # F12 is not known, and disturbs nothing
    assert list(keys_in("é\t")) == ["é", "\t"]


# --- a thousand events ------------------------------------------------------------------------------------------------


async def test_a_thousand_events_open_at_once_and_each_key_answers(folder: Path) -> None:
    import shop

    recording = await record(shop, "shop", [f"item-{number}" for number in range(250)])
    began = time.perf_counter()
    stepper = stepper_of(recording)
    stepper.screen(100, 32)
    opened = time.perf_counter() - began
    assert stepper.count > 1_000
    slowest = 0.0
    for key in [*["n"] * 40, "end", *["b"] * 40, "g", "5", "0", "0", "enter", *["page up"] * 20, "/", "x", "enter"]:
        began = time.perf_counter()
        stepper.key(key)
        stepper.screen(100, 32)
        slowest = max(slowest, time.perf_counter() - began)
    typed(stepper, "g", "2", "6", "0", "enter")
    assert re.search(r"and 22\d more strands", text_of(stepper, 100, 200))
    assert opened < 4  # 0.2 s on an idle machine, and 0.1 s for the slowest key
    assert slowest < 2


# --- a real terminal --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [{}, {"NO_COLOR": "1"}], ids=["coloured", "plain"])
def test_on_a_terminal(file: str, folder: Path, colours: dict[str, str]) -> None:
    main, sub = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **colours}
    environment.pop("NO_COLOR", None) if not colours else None
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from nexus_sdk.cli import main; main()",
            *f"replay shop:shop --history {file} --step".split(),
        ],
        stdin=sub,
        stdout=sub,
        stderr=sub,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(sub)
    seen = ""
    try:
        for awaited, keys in (
            ("event 1 of 15", b"n"),
            ("event 2 of 15", b"\x1b[C"),
            ("event 3 of 15", b"b"),
            ("event 2 of 15", b"q"),
        ):
            seen = _read_until(main, awaited)
            os.write(main, keys)
        rest = _read_until(main, "\x1b[?1049l")  # the screen is given back
        assert process.wait(30) == 0
        coloured = re.search(r"\x1b\[[\d;]*3[1-6]m", seen + rest)
        assert bool(coloured) == (not colours)
    finally:
        process.kill()
        process.wait()
        os.close(main)


def _read_until(terminal: int, awaited: str) -> str:
    seen = ""
    while awaited not in seen:
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, f"{awaited!r} did not appear; this did:\n{seen}"
        seen += os.read(terminal, 65536).decode("utf-8", "replace")
    return seen
