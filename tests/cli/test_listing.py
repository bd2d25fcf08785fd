"""`nexus list`."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import Any

import pytest

from nexus_sdk import Nexus as App
from nexus_sdk.cli.loading import load_module

Nexus = Any


def ids(nexus: Nexus, *words: str) -> list[str]:
    return [one["id"] for one in json.loads(nexus("list", *words, "--json").stdout)["instances"]]


def start_with_attributes(**attributes: Any) -> None:
    """Start one instance per keyword, with the attributes it names."""
    load_module("orders")

    async def started() -> None:
        app = App.from_module("orders", "sqlite:///nexus.db")
        for name, given in attributes.items():
            await app.client().start("approval", id=name, attributes=given)
        await app.store.close()

    asyncio.run(started())


def test_pages_follow_each_other(nexus: Nexus) -> None:
    for name in ("a", "b", "c"):
        nexus("start", "orders:approval", "--id", name)
    nexus("run", "orders:one", "--input", "{}", "--id", "d")
    assert nexus("list").stdout.split("\n")[0].split() == ["ID", "STATUS", "WORKFLOW", "UPDATED", "NOTE"]
    page = json.loads(nexus("list", "--workflow", "approval", "--limit", "2", "--json").stdout)
    more = ("--workflow", "approval", "--limit", "2", "--json", "--cursor", page["cursor"])
    rest = json.loads(nexus("list", *more).stdout)
    assert [one["id"] for one in page["instances"] + rest["instances"]] == ["c", "b", "a"]
    assert rest["cursor"] is None


def test_the_next_page_can_be_typed_as_it_is_said(nexus: Nexus) -> None:
    for name in ("a one", "b's", "-c"):
        nexus("start", "orders:approval", f"--id={name}")
    words = ("--status", "pending", "--workflow", "approval", "--created-after", "1h", "--limit", "1")
    seen, said = [], nexus("list", *words)
    while "next page" in said.stderr:
        seen.append(said.stdout.splitlines()[1].partition("  ")[0])
        command = shlex.split(said.stderr.partition("next page")[2])
        assert "1h" not in command  # the moment and not the age: the pages are of one list
        said = nexus(*command[1:])
    assert [*seen, said.stdout.splitlines()[1].partition("  ")[0]] == ["-c", "b's", "a one"]


def test_filters_narrow_what_is_listed_and_counted(nexus: Nexus) -> None:
    start_with_attributes(a={"n": 5, "who": "Ada"}, b={"n": 6, "who": "Ada"}, c={"n": "5"})
    nexus("run", "orders:one", "--input", "{}", "--id", "d")
    assert ids(nexus, "--status", "completed") == ["d"]
    alive = ("--status", "pending", "--status", "running")  # the run above has moved them
    assert ids(nexus, "--status", "completed", *alive) == ["d", "c", "b", "a"]
    assert ids(nexus, "--attribute", "n=5") == ["a"]
    assert ids(nexus, "--attribute", 'n="5"') == ["c"]
    assert ids(nexus, "--attribute", "who=Ada", "--attribute", "n=6") == ["b"]
    assert ids(nexus, "--created-after", "1h") == ["d", "c", "b", "a"]
    assert ids(nexus, "--created-after", "2999-01-01") == []
    assert nexus("list", "--count").stdout == "4\n"
    assert nexus("list", "--count", "--attribute", "who=Ada").stdout == "2\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--status", "finished"],
        ["--cursor", "bad"],
        ["--cursor", "²:x"],
        ["--cursor", "99999999999999999999:x"],
        ["--attribute", "novalue"],
        ["--created-after", "yesterday"],
        ["--limit", "0"],
        ["--count", "--cursor", "1:a"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(nexus: Nexus, words: list[str]) -> None:
    nexus("start", "orders:approval", "--id", "a")
    refused = nexus("list", *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("[NX")
