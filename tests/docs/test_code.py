"""The code on the pages runs, and the commands on them exist and do what is shown."""

from __future__ import annotations

import ast
import asyncio
import base64
import inspect
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer.main

from nexus_sdk.cli.app import app as command_line
from nexus_sdk.testing.environment import WorkflowEnvironment
from tests.docs.pages import KINDS, Block, Page, all_pages, commands_of
from tests.docs.shell import Shell

PAGES = all_pages()
NAMES = [page.name for page in PAGES]

PLAYED = (
    "README.md",
    "docs/tutorial/first-workflow.md",
    "docs/how-to/retry.md",
    "docs/how-to/compensate.md",
    "docs/how-to/wait-for-people.md",
    "docs/how-to/fan-out.md",
    "docs/how-to/run-for-months.md",
    "docs/how-to/change-code-safely.md",
    "docs/how-to/operate.md",
    "docs/how-to/debug-by-replay.md",
    "docs/how-to/encrypt.md",
    "docs/how-to/costs.md",
    *(name for name in NAMES if re.fullmatch(r"samples/\w+/README.md", name)),
)
"""Pages whose console blocks are run, each command in its place; `make` and `pip` are not, they set up machines."""

FASTER = {'"20s"': '"1s"', 'initial="1s"': 'initial="10ms"'}
"""Waits that are for people are shortened."""

EXAMPLE_KEY = "2026=" + base64.b64encode(bytes(32)).decode()

FILE = re.compile(r"# (?P<file>[\w/]+\.py)(?:: (?P<part>\w+))?$")
"""A block that begins so is that file, or takes the place of one function in it."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for variable in ("NEXUS_STORE", "NEXUS_APP"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NEXUS_KEYS", EXAMPLE_KEY)  # a page that needs one exports its own, which ends with its command
    loaded = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - loaded:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_code_of_a_page_runs(page: Page, folder: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    for module in page.path.parent.glob("*.py"):  # a sample is played in a copy of its folder
        shutil.copy(module, folder)
    shell = Shell(folder)
    try:
        for block in page.blocks():
            if block.kind == "python":
                _write(block, folder)
                _execute(block, page, namespace)
            elif block.kind == "console" and page.name in PLAYED:
                for command in commands_of(block):
                    if not command.text.startswith(("make ", "pip ")):
                        shell.run(command)
    finally:
        shell.close()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_marks_what_is_code(page: Page) -> None:
    assert {block.kind for block in page.blocks()} <= KINDS


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_commands_of_a_page_exist(page: Page) -> None:
    for block in page.blocks():
        for command in commands_of(block) if block.kind == "console" else ():
            words = shlex.split(command.text.removesuffix(" &"), comments=True)
            while "=" in words[0]:
                words = words[1:]
            if words[0] == "nexus":
                _check_typed(words[1:], f"{page.name}:{command.line}")
    for line, words in _spoken_commands(page):
        _check_typed(words, f"{page.name}: {line}")


# --- python -----------------------------------------------------------------------------------------------------------


def _execute(block: Block, page: Page, namespace: dict[str, Any]) -> None:
    """Run a block in the page's namespace, and what it defines as a test."""
    known = dict(namespace)
    tree = ast.parse(block.text, page.name)
    ast.increment_lineno(tree, block.line - 1)
    exec(compile(tree, str(page.path), "exec", dont_inherit=True), namespace)
    for name, value in list(namespace.items()):
        if name.startswith("test_") and known.get(name) is not value:
            _run_test(value)


def _run_test(test: Any) -> None:
    """Run a test as pytest would: one that asks for the fixture `nexus_env` gets it."""
    if "nexus_env" not in inspect.signature(test).parameters:
        result = test()
        if asyncio.iscoroutine(result):
            asyncio.run(result)
        return
    assert not inspect.iscoroutinefunction(test), "here only synchronous tests are given the fixture"
    with ExitStack() as stack:
        test(nexus_env=lambda *args, **options: stack.enter_context(WorkflowEnvironment(*args, **options)))


def _write(block: Block, folder: Path) -> None:
    """A block that names a file is written to it."""
    named = FILE.match(block.text.partition("\n")[0])
    if named is None:
        return
    text = block.text
    for slow, fast in FASTER.items():
        text = text.replace(slow, fast)
    path = folder / named["file"]
    if named["part"]:
        text = _replaced(path.read_text(encoding="utf-8"), named["part"], text)
    path.write_text(text, encoding="utf-8")


def _replaced(source: str, function: str, text: str) -> str:
    """The source with the block in the place of one top-level function."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            first = min(decorator.lineno for decorator in node.decorator_list)
            body = text.partition("\n")[2]
            return "".join([*lines[: first - 1], body, *lines[node.end_lineno :]])
    raise AssertionError(f"no function {function!r} to replace")


# --- commands ---------------------------------------------------------------------------------------------------------


def _spoken_commands(page: Page) -> Iterator[tuple[str, list[str]]]:
    """Commands in running text: `nexus show ID`."""
    for line in page.prose().splitlines():
        for spoken in re.findall(r"`nexus ([^`]+)`", line):
            yield line, shlex.split(spoken.replace("'", ""))


def _check_typed(words: list[str], where: str) -> None:
    group: Any = typer.main.get_command(command_line)
    while words and words[0].startswith("-"):
        assert words[0] in _options(group), f"{where}: nexus has no option {words[0]}"
        words = words[1:]
    if not words:
        return
    assert words[0] in group.commands, f"{where}: there is no command `nexus {words[0]}`"
    command, words = group.commands[words[0]], words[1:]
    while hasattr(command, "commands"):  # `nexus cost estimate`
        assert words, f"{where}: which of {', '.join(command.commands)}?"
        assert words[0] in command.commands, f"{where}: there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    options = _options(command)
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{where}: nexus {words[0]} has no option {word}"


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")} | {"--help"}
