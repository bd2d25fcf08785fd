"""A very small shell for the console blocks of the pages: what is typed is run, what is shown must appear.

In the shown lines ``…`` stands for anything, and blanks for any number of blanks. `&` runs a command in the background
until `kill -9 $!`; a line ``^C`` is an interrupt once everything above it has appeared and the workflow waits. A last
line ``…`` says that the workflow is still at work there: it is not waited for. A command with ``>`` is given to bash;
what is exported stays set.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from typer.testing import CliRunner

from nexus_sdk import Nexus
from nexus_sdk.cli.app import app as command_line
from nexus_sdk.core import events as e
from nexus_sdk.errors import NexusError
from tests.docs.pages import Command

PATIENCE_SECONDS = 30.0
WAITS = (e.EventAwaited, e.TimerStarted)

QUICK = frozenset(
    ["start", "event", "cancel", "terminate", "suspend", "resume", "rewind", "purge", "show", "history", "list"]
)
"""Commands that only look or send: run in this process, because starting one takes longer than the command. Not with
`--app`: a module is imported once in a process, and what it read from the environment then would stay."""


class Shell:
    """Runs commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }

    def run(self, command: Command) -> None:
        """Run a command, and hold its output to what the page shows."""
        text = command.text
        if text == "kill -9 $!":
            self.close()
            return
        if text.startswith("export "):
            self._export(text)
            return
        words = shlex.split(text)
        if words[0] == "nexus" and words[1] in QUICK and not {"--app", ">"} & set(words):
            assert_shown(command, self._said_here(words[1:]))
            return
        process = self._started(text.removesuffix(" &"))
        if text.endswith(" &"):
            self._wait(lambda: self._appeared(command, text), f"{command.text!r} never came to wait")
            return
        if "^C" in command.shown:
            self._wait(lambda: self._appeared(command, text), f"{command.text!r} never came to wait")
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
        assert_shown(command, self._said())

    def close(self) -> None:
        """Kill what still runs: leave no process behind."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait()

    def _export(self, text: str) -> None:
        """Set a variable for the commands that follow, as bash would."""
        name = text.removeprefix("export ").partition("=")[0]
        script = f'{text}; printf %s "${name}"'
        made = subprocess.run(["bash", "-c", script], env=self._environment, capture_output=True, text=True, check=True)
        self._environment[name] = made.stdout

    # --- inside -----------------------------------------------------------------------------------------------------

    def _started(self, text: str) -> subprocess.Popen[str]:
        words = shlex.split(text) if ">" not in text.split() else ["bash", "-c", text]
        variables: dict[str, str] = {}
        while re.match(r"^[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        self._said_path.unlink(missing_ok=True)
        with self._said_path.open("w", encoding="utf-8") as said:
            process = subprocess.Popen(
                words,
                cwd=self._folder,
                env=self._environment | variables,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        return process

    def _said_here(self, words: list[str]) -> str:
        try:
            return CliRunner().invoke(command_line, words, env=self._environment).output
        finally:
            structlog.reset_defaults()

    @property
    def _said_path(self) -> Path:
        return self._folder / "said.txt"

    def _said(self) -> str:
        return self._said_path.read_text(encoding="utf-8")

    def _appeared(self, command: Command, text: str) -> bool:
        shown = command.shown[: command.shown.index("^C")] if "^C" in command.shown else command.shown
        if any(not _is_in(line, self._said()) for line in shown):
            return False
        if shown[-1:] == ("…",):
            return True
        found = re.search(r"--id (\S+)", text)
        return found is None or self._waits(found[1])

    def _waits(self, instance_id: str) -> bool:
        """Whether the workflow has come to a wait, durably."""

        async def look() -> bool:
            app = Nexus(f"sqlite:///{self._folder}/nexus.db")
            try:
                history = await app.client().get(instance_id).history()
            except NexusError:
                return False
            finally:
                await app.store.close()
            return isinstance(history[-1], WAITS)

        return asyncio.run(look())

    def _wait(self, is_true: Callable[[], bool], complaint: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < until, f"{complaint}; it said:\n{self._said()}"
            time.sleep(0.05)  # another process is waited for: there is no clock to jump


def assert_shown(command: Command, said: str) -> None:
    """Every line that the page shows was said."""
    for line in command.shown:
        if line not in ("^C", "Killed"):
            assert _is_in(line, said), f"$ {command.text}\nshould say:  {line}\nand said:\n{said}"


def _is_in(line: str, said: str) -> bool:
    pattern = ".*".join(r"\s+".join(map(re.escape, part.split())) for part in line.split("…"))
    return re.search(pattern, said) is not None
