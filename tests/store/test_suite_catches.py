"""The laws of the provider suite can fail: each small bug, planted into the memory store, breaks at least one."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest

from nexus_sdk.store import item, memory, shelf
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.testing.provider_suite import ProviderSuite, waiting
from nexus_sdk.testing.provider_suite.corpus import CorpusLaws
from tests.store.bugs import BUGS

SLOW = {"test_a_batch_of_the_largest_size_is_kept_whole"}
"""Laws that no bug here needs, and that take long."""

IMPORTERS = (item, memory, shelf)
"""Where a function that is planted may have been imported to."""


@dataclass(frozen=True)
class Bug:
    """In the function `name` of `owner`, `new` stands instead of `old`."""

    what: str
    owner: type | ModuleType
    name: str
    old: str
    new: str

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        right = getattr(self.owner, self.name)
        source = textwrap.dedent(inspect.getsource(right))
        assert source.count(self.old) == 1, f"{self.what}: {self.name} has changed; change the bug, too"
        wrong = compile(source.replace(self.old, self.new), "<bug>", "exec", dont_inherit=True)
        names: dict[str, Any] = {}
        exec(wrong, {"asyncio": asyncio, "replace": replace, **inspect.unwrap(right).__globals__}, names)
        for place in (self.owner, *(module for module in IMPORTERS if module is not self.owner)):
            if getattr(place, self.name, None) == right:
                monkeypatch.setattr(place, self.name, names[self.name])


PLANTED = [
    Bug(what, owner, name, old, new) for (owner, name), bugs in BUGS.items() for what, (old, new) in bugs.items()
]


def laws(*, is_whole: bool = True) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Every law with its parameters; those of the whole engine last, or not at all."""
    names = [name for name in dir(ProviderSuite) if name.startswith("test_") and name not in SLOW]
    names = [name for name in names if is_whole or not hasattr(CorpusLaws, name)]
    for name in sorted(names, key=lambda name: hasattr(CorpusLaws, name)):
        law = getattr(ProviderSuite(), name)
        marks = [mark for mark in getattr(law, "pytestmark", []) if mark.name == "parametrize"]
        for values in itertools.product(*([(mark.args[0], value) for value in mark.args[1]] for mark in marks)):
            yield name, law, dict(values)


async def obey(law: Callable[..., Any], parameters: dict[str, Any]) -> None:
    """Hold a fresh memory store to a law."""
    store = MemoryStore()
    fixtures = {"store": store, "store_factory": lambda: store, "fresh_store": MemoryStore, **parameters}
    await law(**{name: fixtures[name] for name in inspect.signature(law).parameters})


def broken(*, is_whole: bool = True) -> Iterator[str]:
    """The laws that do not hold, one after another."""
    for name, law, parameters in laws(is_whole=is_whole):
        try:
            asyncio.run(asyncio.wait_for(obey(law, parameters), 5.0))
        except KeyboardInterrupt:
            raise
        except BaseException:  # an assertion, a timeout, or whatever the bug makes of the law
            yield name


def test_there_are_bugs_enough() -> None:
    assert len({bug.what for bug in PLANTED}) == len(PLANTED) >= 15


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.what)
@pytest.mark.filterwarnings("ignore")  # what breaks may leave tasks behind
def test_a_small_bug_breaks_a_law(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.05)
    assert next(broken(), None) is not None, f"no law of the suite catches: {bug.what}"


@pytest.mark.skipif(not os.environ.get("NEXUS_NIGHTLY"), reason="takes a minute; NEXUS_NIGHTLY=1 asks for it")
@pytest.mark.filterwarnings("ignore")
def test_every_law_is_broken_by_some_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A law that no bug breaks says nothing. (Those of the whole engine are left to the tests of the engine.)"""
    unbroken = {name for name, _, _ in laws(is_whole=False)}
    for bug in PLANTED:
        with monkeypatch.context() as patched:
            bug.plant(patched)
            patched.setattr(waiting, "PATIENCE_SECONDS", 0.05)
            unbroken -= set(broken(is_whole=False))
    assert unbroken == set()


def test_without_a_bug_no_law_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is the bugs that the laws catch, and not this way to run them."""
    for _, law, parameters in laws(is_whole=False):
        asyncio.run(obey(law, parameters))
