"""`nexus build`, `deploy` and `destroy`, with a cloud that is played: what is said, to people and to machines."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from nexus_sdk.building import dependencies
from nexus_sdk.building.archive import Archive, Part
from nexus_sdk.building.build import build as really_build
from nexus_sdk.building.platform import Action, Change, Deployed, Destroyed, Plan, Say
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Setting, Settings
from nexus_sdk.building.target import Target
from nexus_sdk.cli import deploying
from nexus_sdk.cli.commands import build
from nexus_sdk.errors import CredentialsMissing, DeployError
from tests.building.here import install_little
from tests.cli.test_json import check

Nexus = Any


@dataclass
class Moon:
    """A platform, and its only deployment. `done`: what was asked of it."""

    name = "moon"
    title = "the moon"
    settings = (Setting("memory", 1024, "Megabytes."),)
    done: list[str] = field(default_factory=list)
    asked: Settings | None = None
    store: str | None = None
    changes: tuple[Change, ...] = (
        Change(Action.ADD, "Crater", "Table"),
        Change(Action.CHANGE, "Rover", "F", ("size",)),
    )
    problem: DeployError | None = None
    url = "https://moon/"

    def target(self, settings: Settings) -> Target:
        self.asked = settings
        return Target("3.0", "x86_64", (), frozenset(), frozenset(), (), frozenset(), "/moon", 10**9, 10**9)

    def write_template(self, program: Program, settings: Settings, archive: Archive, folder: Path) -> Path:
        path = folder / "template.txt"
        path.write_text(program.spec)
        return path

    def deployment(self, program: Program, settings: Settings, archive: Archive | None) -> Moon:
        self.asked = settings
        return self

    def plan(self) -> Plan:
        self._note("plan")
        return Plan(self.asked.title if self.asked else "", "crater 7", self.store is None, self.changes)

    def apply(self, say: Say) -> Deployed:
        self._note("apply")
        say("Landing …")
        return Deployed("orders-dev", "crater 7", self.url, "memory://", "curl https://moon/", {"Url": self.url})

    def store_url(self) -> str | None:
        if self.problem is not None:
            raise self.problem
        return self.store

    def destroy(self, say: Say, *, deletes_data: bool) -> Destroyed:
        self._note("erase" if deletes_data else "destroy")
        kept, erased = ((), ("table orders-dev",)) if deletes_data else (("table orders-dev",), ())
        return Destroyed("orders-dev", "crater 7", True, kept, erased)

    def _note(self, what: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.done.append(what)


def _packed(program: Program, target: Target, path: Path) -> Archive:
    """As if it had been built."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"zip")
    return Archive(path, "0" * 64, 3, 3, (Part("orders", 3, 3),))


@pytest.fixture
def moon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Moon]:
    moon = Moon()
    monkeypatch.setattr(deploying, "find_platform", lambda name: moon)
    monkeypatch.setattr(build, "build_archive", _packed)
    return moon


def told(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_a_build_writes_the_artifact_and_the_template(
    nexus: Nexus, moon: Moon, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "build_archive", really_build)
    monkeypatch.setattr(dependencies, "_run", install_little)
    said = nexus("build", "moon", "orders", "--out", "here", "--option", "memory=512", "--set", "A=b")
    lines = told(said).splitlines()
    assert lines[0].startswith("here/orders.zip  ")
    assert "here/template.txt" in lines
    assert "  nexus-sdk" in said.stdout
    assert "Next: nexus deploy moon orders" in said.stderr
    assert (folder / "here" / "template.txt").read_text() == "orders"
    assert "orders.py" in zipfile.ZipFile(folder / "here" / "orders.zip").namelist()
    assert moon.asked is not None
    assert (moon.asked.number("memory"), moon.asked.variables) == (512, {"A": "b"})


def test_what_is_printed_for_machines_is_what_is_documented(nexus: Nexus, moon: Moon) -> None:
    for words in (
        ["build", "moon", "orders"],
        ["deploy", "moon", "orders"],
        ["deploy", "moon", "orders", "--plan"],
        ["destroy", "moon", "orders", "--yes"],
        ["destroy", "moon", "orders", "--yes", "--delete-data"],
    ):
        said = nexus(*words, "--json")
        assert said.exit_code == 0, said.output
        check(words[0], json.loads(said.stdout))
    moon.url = ""
    said = json.loads(nexus("deploy", "moon", "orders", "--json").stdout)
    check("deploy", said)
    assert said["url"] is None


def test_a_plan_lists_what_would_change_and_changes_nothing(nexus: Nexus, moon: Moon) -> None:
    said = nexus("deploy", "moon", "orders", "--stage", "prod", "--plan")
    assert "orders-prod (crater 7): would be created, with 2 resources" in said.stdout
    assert [line.split() for line in said.stdout.splitlines()[-2:]] == [
        ["add", "Table", "Crater"],
        ["change", "F", "Rover", "size"],
    ]
    assert "Next: nexus deploy moon orders --stage prod" in said.stderr
    moon.changes = ()
    assert "nothing would change" in told(nexus("deploy", "moon", "orders", "--plan"))
    assert set(moon.done) == {"plan"}


def test_a_deployment_says_where_it_is_and_what_to_type_next(nexus: Nexus, moon: Moon, folder: Path) -> None:
    said = nexus("deploy", "moon", "orders")
    assert "orders-dev is deployed (crater 7)." in told(said)
    assert "URL    https://moon/" in said.stdout
    assert "Landing …" in said.stderr
    assert "Next: nexus start orders:approval --store 'memory://' --wait" in said.stderr
    (folder / "one.py").write_text((folder / "orders.py").read_text().replace("def approval", "def z"))
    one = nexus("deploy", "moon", "one")
    assert """Next: nexus start one:foreign --store""" in one.stderr
    (folder / "two.py").write_text((folder / "orders.py").read_text().replace("approval", "z").replace("foreign", "zz"))
    two = nexus("deploy", "moon", "two")
    assert """Next: nexus start two:fulfil --input '{"order": …}' --store 'memory://' --wait""" in two.stderr
    assert moon.done == ["apply"] * 3


def test_what_runs_is_tried_first_and_a_change_that_blocks_it_is_not_made(
    nexus: Nexus, moon: Moon, folder: Path
) -> None:
    nexus("start", "orders:approval", "--id", "order-1", "--store", "sqlite:///deployed.db")
    nexus("run", "orders:fulfil", "--input", '["x"]', "--store", "sqlite:///deployed.db")
    moon.store = "sqlite:///deployed.db"
    assert "1 instance that runs goes on with this code." in nexus("deploy", "moon", "orders").stderr
    text = (folder / "orders.py").read_text()
    (folder / "later.py").write_text(text.replace("async def approval", "async def renamed"))
    refused = nexus("deploy", "moon", "later")
    assert (refused.exit_code, moon.done) == (1, ["apply"])
    assert "[NX827] 1 of 1 instance that runs would be blocked" in refused.stderr
    assert nexus("deploy", "moon", "later", "--unchecked").exit_code == 0
    assert moon.done == ["apply", "apply"]


def test_destroying_asks_first_and_says_what_is_left(nexus: Nexus, moon: Moon, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = nexus("destroy", "moon", "orders")
    assert (refused.exit_code, moon.done) == (2, [])
    assert "Say --yes." in refused.stderr
    said = nexus("destroy", "moon", "orders", "--yes")
    assert "kept:   table orders-dev" in told(said)
    assert "nexus destroy moon orders --delete-data" in said.stderr
    assert "erased: table orders-dev" in told(nexus("destroy", "moon", "orders", "--yes", "--delete-data"))
    assert moon.done == ["destroy", "erase"]


@pytest.mark.parametrize(("answer", "code", "done"), [("y\n", 0, ["erase"]), ("n\n", 1, [])])
def test_on_a_terminal_the_answer_counts(
    nexus: Nexus, moon: Moon, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, done: list[str]
) -> None:
    monkeypatch.setattr("nexus_sdk.cli.commands.destroy._is_asked", lambda: True)
    said = nexus("destroy", "moon", "orders", "--delete-data", input=answer)
    assert (said.exit_code, moon.done) == (code, done)
    assert "erase all its data for good?" in said.output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["build", "moon", "nothing"], 2, "no module 'nothing'"),
        (["build", "moon", "orders", "--option", "memory=much"], 2, "[NX811] The setting 'memory'"),
        (["build", "moon", "orders", "--name", "Our Orders"], 2, "cannot be called"),
        (["deploy", "moon", "orders", "--set", "A"], 2, "is no name=value"),
        (["deploy", "moon"], 2, "Missing argument"),
        (["destroy", "moon", "orders", "--stage", "_", "--yes"], 2, "A stage cannot be called"),
    ],
)
def test_what_makes_no_sense_is_told(nexus: Nexus, moon: Moon, words: list[str], code: int, said: str) -> None:
    refused = nexus(*words)
    assert (refused.exit_code, refused.stdout, moon.done) == (code, "", [])
    assert said in refused.stderr
    check("error", json.loads(nexus(*words, "--json").stderr))


def test_what_the_platform_refuses_is_a_failure(nexus: Nexus, moon: Moon) -> None:
    moon.problem = CredentialsMissing("There are no credentials for the moon.", hint="Get some.")
    for words in (["deploy", "moon", "orders"], ["destroy", "moon", "orders", "--yes"]):
        refused = nexus(*words)
        assert refused.exit_code == 1
        assert refused.stderr == "[NX821] There are no credentials for the moon.\nGet some.\n"  # and nothing was built


def test_a_platform_that_is_not_installed_is_told(nexus: Nexus) -> None:
    refused = nexus("build", "venus", "orders")
    assert refused.exit_code == 2
    assert "[NX812] Nothing that is installed builds for 'venus'" in refused.stderr
