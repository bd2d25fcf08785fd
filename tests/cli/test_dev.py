"""`nexus dev` as it is used: it serves while files are edited. Nothing sleeps: what is said is waited for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from jsonschema import Draft202012Validator

PROJECT = Path(__file__).parents[2]
MAIN = [sys.executable, "-c", "from nexus_sdk.cli import main; main()"]
SCHEMA = json.loads((PROJECT / "docs" / "reference" / "cli.schema.json").read_text(encoding="utf-8"))
PATIENCE_SECONDS = 30.0

SHOP = """
import sys
from nexus_sdk import Context, activity, workflow

@activity
def say(text: str) -> None:
    print(text + "\\n", end="", file=sys.stderr, flush=True)  # in one stroke: threads print at once

@workflow
async def order(ctx: Context):
    yield say("the beginning")
    yield ctx.wait_for_event("go")
    yield say("the old end")
"""
WAITS_FOR_GO = 'yield ctx.wait_for_event("go")'
HANGS = "import threading; print('it hangs', file=sys.stderr, flush=True); threading.Event().wait()"
SLEEPS = 'yield ctx.sleep("1h")'

pytestmark = pytest.mark.skipif(os.name != "posix", reason="nexus dev needs POSIX")
Nexus = Any


class Dev:
    """`nexus dev` in a process of its own, and what it has said that nobody has asked for yet."""

    def __init__(self, *words: str) -> None:
        env = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [*MAIN, "dev", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=env,
            start_new_session=True,  # a group of its own, as in a terminal
        )
        self._lines: Queue[str] = Queue()
        self._said: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(s,)) for s in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def until(self, words: str) -> str:
        """The next line that has these words."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                pytest.fail(f"{words!r} was never said:\n{''.join(self._said)}")
            if words in line:
                return line.rstrip("\n")

    def event(self, name: str) -> dict[str, Any]:
        """The next event of this name, held to the documented form."""
        said: dict[str, Any] = json.loads(self.until(f'"event": "{name}"'))
        Draft202012Validator({"$ref": "#/$defs/dev", "$defs": SCHEMA["$defs"]}).validate(said)
        return said

    def rest(self) -> str:
        """What was said until nobody is left who could say anything: neither the command nor what it started."""
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
            assert not reader.is_alive(), f"somebody is left:\n{''.join(self._said)}"
        self.process.wait(PATIENCE_SECONDS)
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return "".join(lines)

    def interrupt(self) -> None:
        """Type Ctrl-C: a terminal sends it to all processes of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.rest()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self._said.append(line)
            self._lines.put(line)


@pytest.fixture
def dev() -> Iterator[Callable[..., Dev]]:
    """Types `nexus dev` and what follows."""
    begun: list[Dev] = []

    def begin(*words: str) -> Dev:
        begun.append(Dev(*words))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@pytest.fixture
def shop(folder: Path) -> Path:
    path = folder / "shop.py"
    path.write_text(SHOP)
    return path


def edit(file: Path, old: str, new: str) -> None:
    """Change a file as editors do: write another one and put it in its place."""
    text = file.read_text()
    assert old in text
    other = file.with_suffix(".tmp")
    other.write_text(text.replace(old, new))
    other.replace(file)


def test_an_instance_goes_on_with_the_code_as_it_is_now(dev: Any, nexus: Nexus, shop: Path) -> None:
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop")
    assert (
        served.until("serving")
        == "serving shop (1 workflow, 1 activity) from sqlite:///nexus.db · watching 1 file · 1 instance goes on"
    )
    served.until("the beginning")
    edit(shop, "the old end", "the new end")
    said = served.until("changed")
    assert said.startswith("shop.py changed · reloaded in ")
    assert said.endswith(" s · 1 instance goes on")
    nexus("event", "a", "go")
    served.until("the new end")
    served.interrupt()
    assert "the beginning" not in served.rest()
    assert served.process.returncode == 0


def test_a_change_that_blocks_an_instance_is_told_and_taking_it_back_too(dev: Any, nexus: Nexus, shop: Path) -> None:
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop", "--json")
    assert served.event("serving")["watching"] == ["shop.py"]
    served.until("the beginning")
    edit(shop, WAITS_FOR_GO, SLEEPS)
    reloaded = served.event("reloaded")
    assert (reloaded["changed"], reloaded["going"], reloaded["blocked"]) == (["shop.py"], 0, 1)
    blocked = served.event("blocked")
    assert (blocked["id"], blocked["code"], blocked["was_blocked_before"]) == ("a", "NX201", False)
    assert "shop.py:12" in blocked["message"]
    assert blocked["next"] == "nexus replay shop:order --id a"
    edit(shop, "the old end", "another end")  # mends nothing
    assert served.event("blocked")["was_blocked_before"] is True
    edit(shop, SLEEPS, WAITS_FOR_GO)
    assert served.event("reloaded")["going"] == 1
    assert served.event("unblocked")["id"] == "a"
    nexus("event", "a", "go")
    served.until("another end")
    served.interrupt()
    assert '"event": "stopped"' in served.rest()


def test_people_are_told_of_a_blocked_instance_in_two_lines(dev: Any, nexus: Nexus, shop: Path) -> None:
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop", "--store", "sqlite:///nexus.db")
    served.until("the beginning")
    edit(shop, WAITS_FOR_GO, SLEEPS)
    served.until("reloaded in ")
    assert served.until("is blocked").startswith(
        "a is blocked: NX201 operation 1 (shop.py:12): history has a wait for "
    )
    step = "nexus replay shop:order --id a --store sqlite:///nexus.db"
    assert served.until("mend") == f"  mend or revert the code, and it goes on; what happened: {step}"
    edit(shop, SLEEPS, WAITS_FOR_GO)
    served.until("a is no longer blocked: it goes on")


def test_one_that_blocks_while_nothing_changes_is_told_when_it_does(dev: Any, nexus: Nexus, shop: Path) -> None:
    edit(shop, 'yield say("the old end")', "yield 7")
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop", "--json")
    served.until("the beginning")
    nexus("event", "a", "go")
    assert served.event("blocked")["code"] == "NX203"


def test_a_syntax_error_is_told_in_short_and_the_next_change_tried(dev: Any, nexus: Nexus, shop: Path) -> None:
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop")
    served.until("the beginning")
    edit(shop, 'say("the old end")', 'say("the new end"')
    served.until("shop.py changed · shop cannot be loaded")
    assert served.until("[NX801]") == "[NX801] shop.py:13: SyntaxError: '(' was never closed"
    served.until("Nothing is served until it is mended")
    edit(shop, 'say("the new end"', 'say("the new end")')
    served.until("shop.py changed · reloaded in ")
    nexus("event", "a", "go")
    served.until("the new end")


def test_it_begins_with_broken_code_and_waits_for_what_is_missing(dev: Any, folder: Path, shop: Path) -> None:
    edit(shop, "import sys", "import sys, prices")
    served = dev("shop", "--json")
    broken = served.event("broken")
    assert broken["message"] == "shop.py:2: ModuleNotFoundError: No module named 'prices'"
    (folder / "prices.py").write_text("1 / 0")
    broken = served.event("broken")
    assert (broken["changed"], broken["message"]) == (["prices.py"], "prices.py:1: ZeroDivisionError: division by zero")
    edit(folder / "prices.py", "1 / 0", "")
    assert served.event("reloaded")["watching"] == ["prices.py", "shop.py"]
    served.interrupt()
    assert served.rest().count('"event": "stopped"') == 1


def test_many_blocked_instances_are_told_in_few_lines(dev: Any, nexus: Nexus, shop: Path) -> None:
    for number in range(7):
        nexus("start", "shop:order", "--id", f"order-{number}")
    served = dev("shop")
    for _ in range(7):
        served.until("the beginning")
    edit(shop, WAITS_FOR_GO, SLEEPS)
    served.until("reloaded in ")
    for number in (6, 5, 4, 3, 2):
        served.until(f"order-{number} is blocked: NX201 ")
    served.until("and 2 more: nexus list --status blocked")
    served.until("mend or revert the code, and they go on; what happened: nexus replay shop:order --id order-6")
    edit(shop, SLEEPS, WAITS_FOR_GO)
    served.until("7 instances are no longer blocked: they go on")


def test_a_module_that_an_activity_imports_is_watched_from_then_on(
    dev: Any, nexus: Nexus, folder: Path, shop: Path
) -> None:
    edit(shop, "    print(text", "    import late; print(text + late.MORE")
    (folder / "late.py").write_text("MORE = ', once'")
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop")
    served.until("the beginning, once")
    nexus("start", "shop:order", "--id", "b")
    edit(folder / "late.py", "once", "twice")
    served.until("late.py changed · reloaded")


def test_what_was_typed_wrong_ends_it_at_once(dev: Any, shop: Path) -> None:
    for words, said in (
        (["shap"], "There is no module 'shap'"),
        (["shop:app"], "shop has no app called 'app'"),
        (["shop", "--store", "memory://"], "private to its process"),
    ):
        served = dev(*words)
        assert said in served.rest()
        assert served.process.returncode == 2


def test_without_an_app_nothing_is_begun(nexus: Nexus) -> None:
    refused = nexus("dev")
    assert refused.exit_code == 2
    assert "Which app?" in refused.stderr


def test_a_worker_that_dies_is_told_and_the_next_change_starts_it_again(dev: Any, nexus: Nexus, shop: Path) -> None:
    edit(shop, "    print(text", "    import os; os._exit(3); print(text")
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop", "--json")
    assert served.event("ended")["exit_code"] == 3
    edit(shop, "os._exit(3); ", "")
    served.event("reloaded")
    served.until("the beginning")


# --- no orphans -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "longer", "said"),
    [
        pytest.param("import sys", "import sys", "serving", id="while it serves"),
        pytest.param("import sys", f"import sys\n{HANGS}", "it hangs", id="while it loads"),
        pytest.param("    print(text", f"    {HANGS}; print(text", "it hangs", id="while an activity hangs"),
    ],
)
def test_nobody_survives_a_killed_command(
    dev: Any, nexus: Nexus, shop: Path, line: str, longer: str, said: str
) -> None:
    nexus("start", "shop:order", "--id", "a")
    edit(shop, line, longer)
    served = dev("shop")
    served.until(said)
    served.process.kill()
    served.rest()


def test_ctrl_c_drains_and_a_second_one_ends_it_at_once(dev: Any, nexus: Nexus, shop: Path) -> None:
    edit(shop, "    print(text", f"    {HANGS}; print(text")
    nexus("start", "shop:order", "--id", "a")
    served = dev("shop")
    served.until("it hangs")
    served.interrupt()
    served.until("stopping: 1 activity runs; the same signal again exits at once")
    served.interrupt()
    served.rest()
    assert served.process.returncode == 1


def test_ctrl_c_while_nothing_is_served_ends_it(dev: Any, shop: Path) -> None:
    shop.write_text("broken = (")
    served = dev("shop")
    served.until("Nothing is served")
    served.interrupt()
    assert served.rest() == "stopped\n"
    assert served.process.returncode == 0


def test_a_change_ends_code_that_does_not_come_to_an_end_while_it_is_loaded(dev: Any, shop: Path) -> None:
    endless = f"import sys\n{HANGS}"
    served = dev("shop")
    served.until("serving")
    edit(shop, "import sys", endless)
    served.until("it hangs")
    edit(shop, endless, "import sys")
    served.until("reloaded")
