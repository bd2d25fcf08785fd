"""The page of errors tells each code as it is told: its examples are messages that were really raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import nexus_sdk
from nexus_sdk import ApplicationError
from nexus_sdk.errors import Codes, NexusError
from tests.mistakes.bench import Bench
from tests.mistakes.catalogue import BASES, EXAMPLES, SECOND_EXAMPLES, TOLD_ELSEWHERE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
SOURCE = Path(nexus_sdk.__file__).parent
PROVIDERS = Path(__file__).parents[2] / "providers"

VARYING = (
    (re.compile(r"orders\.py:\d+"), "orders.py:31"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "6f1c9a0be2d54c7f8a3b1d2e4f567890"),
    (re.compile(r"ran for [\d.]+ s"), "ran for 10 s"),
    (
        re.compile(r"makes [\d,]+ bytes of history; this store takes [\d,]+"),
        "makes 71000000 bytes of history; this store takes 64000000",
    ),
    (re.compile(r"has [\d,]+ events and [\d,]+ bytes; the limit is [\d,]+ events"), "too long: 100,000 events"),
)
"""What differs from time to time: lines, ids of runs, limits that a test sets lower."""


def _blocks() -> Mapping[str, list[str]]:
    """The fenced blocks under each code."""
    parts = re.split(r"^### (NX\d{3}) \w+$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = zip(parts[1::2], parts[2::2], strict=True)
    return {code: re.findall(r"^```\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL) for code, text in sections}


def _examples() -> Mapping[str, str]:
    """The first of them."""
    return {code: blocks[0] for code, blocks in _blocks().items()}


def _same(text: str) -> str:
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text


@pytest.mark.parametrize("code", EXAMPLES)
async def test_the_example_is_what_is_really_said(code: str, bench: Bench) -> None:
    assert _same(await EXAMPLES[code](bench)) == _same(_examples()[code])


async def test_the_second_examples_are_what_is_really_said(bench: Bench) -> None:
    said = {code: [_same(await make(bench))] for code, make in SECOND_EXAMPLES.items()}
    assert {code: [_same(block) for block in blocks[1:]] for code, blocks in _blocks().items() if blocks[1:]} == said


@pytest.mark.parametrize("code", BASES)
def test_the_example_of_a_base_is_that_of_a_subclass(code: str) -> None:
    told = _examples()[code]
    assert told in [_examples()[known] for known in BASES[code]]
    assert all(issubclass(Codes.all[known], Codes.all[code]) for known in BASES[code])


def test_the_example_of_an_error_that_users_raise_is_one() -> None:
    made = eval(_examples()["NX601"], {"ApplicationError": ApplicationError})
    assert isinstance(made, ApplicationError)
    assert str(made) == made.message


def test_the_example_of_a_command_is_what_it_says(bench: Bench, nexus: Any) -> None:
    said = nexus("run", "order:fulfil").stderr.strip().replace(str(bench.folder), "/data")
    assert said == _examples()["NX801"]


def test_every_code_has_an_example_that_is_made() -> None:
    assert {*EXAMPLES, *BASES, *TOLD_ELSEWHERE} == set(Codes.all)
    assert len(EXAMPLES) + len(BASES) + len(TOLD_ELSEWHERE) == len(Codes.all)


@pytest.mark.parametrize("code", sorted(set(Codes.all) - set(BASES) - {"NX601"}))
def test_every_code_is_raised_somewhere(code: str) -> None:
    """`NX601` is for users to raise; a base is caught, and its subclasses are raised."""
    name = Codes.all[code].__name__
    made = re.compile(rf"\b{name}\(|^class \w+\({name}\):", re.MULTILINE)
    files = [path for folder in (SOURCE, PROVIDERS) for path in folder.rglob("*.py") if path.name != "errors.py"]
    assert any(made.search(path.read_text(encoding="utf-8")) for path in files)


def test_the_bases_are_those_that_have_subclasses_and_say_so() -> None:
    for code in BASES:
        kind = Codes.all[code]
        assert any(issubclass(other, kind) and other is not kind for other in Codes.all.values())
        assert kind is NexusError or "base" in (kind.__doc__ or "").lower() or code == "NX200"
