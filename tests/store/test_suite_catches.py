"""The laws of the provider suite can fail: each of these small bugs, planted into the memory store, breaks one.

A bug is a piece of source and what stands there instead. When the source changes, so does its row here.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nexus_sdk.store import item, listing
from nexus_sdk.store.agenda import Agenda
from nexus_sdk.store.item import Hold, Item, TaskState
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.shelf import Shelf
from nexus_sdk.testing.provider_suite import ProviderSuite, waiting
from nexus_sdk.testing.provider_suite.corpus import CorpusLaws

SLOW = {"test_a_batch_of_the_largest_size_is_kept_whole"}
"""Laws that no bug here needs, and that take long."""


@dataclass(frozen=True)
class Bug:
    """In the function `name` of `owner`, `new` stands instead of `old`."""

    what: str
    owner: Any
    name: str
    old: str
    new: str

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        function = getattr(self.owner, self.name)
        function = getattr(function, "__func__", function)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.old) == 1, f"{self.what}: the source of {self.name} has changed; change this row, too"
        namespace: dict[str, Any] = {}
        exec(
            compile(source.replace(self.old, self.new), "<bug>", "exec", dont_inherit=True),
            _globals_of(function),
            namespace,
        )
        for module in (self.owner, *_importers(function)):
            if getattr(module, self.name, None) is not None:
                monkeypatch.setattr(module, self.name, namespace[self.name])


def _globals_of(function: Any) -> dict[str, Any]:
    return {**function.__globals__, "annotations": None}


def _importers(function: Any) -> list[Any]:
    """Modules that have imported a function by its name."""
    from nexus_sdk.store import memory, shelf

    return [module for module in (memory, shelf) if vars(module).get(function.__name__) is function]


BUGS = [
    # --- the fence ---
    Bug("no fence", Item, "check_fence", "if found ==", "if True or found =="),
    Bug("a fence that ignores the run", Item, "check_fence", "found = (self.record.run_id, ", "found = (commit.expected_run_id, "),
    Bug("a commit does not know itself again", Item, "_has_made", "return any(", "return False and any("),
    Bug(
        "any commit with the same number is taken for its repetition",
        Item,
        "_has_made",
        "(found.number, found.turn_id) == (first.number, first.turn_id)",
        "found.number == first.number",
    ),
    Bug("a repetition hands out nothing", MemoryStore, "commit", "tuple(still_held(commit, self._items))", "()"),
    Bug("a repetition hands out what others hold", item, "is_held_by", "token.rpartition(\"/\")[0] == holder", "True"),
    Bug("the record is not replaced", Item, "append", "self.record = commit.record", "self.record.__class__"),
    Bug("commits do not wait for their deliveries' leases", MemoryStore, "commit", "self._check_settles(commit.settles)", "pass"),
    Bug("commits settle nothing", MemoryStore, "commit", "self._settle(commit.settles)", "pass"),
    Bug("a lost turn may be settled", Item, "is_lost", "self.turn.token not in (None, delivery.token)", "False"),
    Bug("a settled task may be settled again", Item, "is_lost", "state is None or ", "state is not None and "),
    Bug("a commit says that nothing is ready", MemoryStore, "commit", "return Committed(deliveries, is_ready)", "return Committed(deliveries, False)"),
    # --- the inbox ---
    Bug("consumed messages stay", Item, "append", "self._consume(commit.consumed)", "pass"),
    Bug("all messages are consumed", Item, "append", "self._consume(commit.consumed)", "self._consume(list(self.inbox))"),
    Bug("messages are not known again", Item, "accept", "if self.knows(message):", "if False:"),
    Bug("remembered ids are forgotten", Item, "accept", "if plain.is_remembered:", "if False:"),
    Bug("every id is remembered", Item, "accept", "if plain.is_remembered:", "if True:"),
    Bug("numbers are given again", Item, "accept", "self.last_number += 1", "self.last_number = len(self.inbox) + 1"),
    Bug("times of acceptance go back", Item, "accept", "max(now_us, self.last_accepted_us)", "now_us"),
    Bug("accepted messages keep their replies", Item, "accept", "if_finished=None,", ""),
    Bug("finished instances take messages", MemoryStore, "send", "if item.record.status.is_finished and", "if False and"),
    Bug("a repetition to a finished instance is refused", MemoryStore, "send", " and not item.knows(message)", ""),
    Bug("sending settles nothing", MemoryStore, "send", "self._settle(settles)", "pass"),
    Bug("sending wakes nobody", MemoryStore, "send", "self._index(item)", "pass"),
    Bug("lost deliveries are reported all the same", MemoryStore, "send", "self._check_settles(settles)", "pass"),
    Bug("held instances are delivered", Item, "wants_turn_at_us", "(self.record.held_through or 0)", "0"),
    Bug("messages are loaded in any order", Item, "messages", "self.inbox.values()", "reversed(self.inbox.values())"),
    # --- what turns send ---
    Bug("refusals are not told", MemoryStore, "_offer", "return message.if_refused\n", "return None\n"),
    Bug("who has finished is taken for unknown", MemoryStore, "_offer", "message.if_finished or message.if_refused", "message.if_refused"),
    Bug("acceptance is not told", MemoryStore, "_offer", "return message.if_accepted", "return None"),
    Bug("a child is refused to its own request", MemoryStore, "_send_instance", "item.record.request_id != new.record.request_id and ", ""),
    Bug("a late child rises from the dead", MemoryStore, "_send_instance", "if self._is_buried(new.record, now_us):", "if False:"),
    Bug("removed tasks are not told", MemoryStore, "_cancel", "self._offer(cancel.if_removed, now_us)", "pass"),
    Bug("held tasks are removed", Item, "cancel_task", "if state.hold.token is None:", "if True:"),
    Bug("held tasks are not marked", Item, "cancel_task", "state.is_cancel_requested = True", "pass"),
    Bug("a task replaces the one with its id", Item, "add_task", "if task.id in self.tasks:", "if False:"),
    # --- deliveries ---
    Bug("a delivery has no messages", Item, "lease_turn", "self.messages()", "()"),
    Bug("a delivery does not say at which batch it was", Item, "lease_turn", "self.record.last_batch", "0"),
    Bug("a lost lease is no attempt", TaskState, "lease", "self.task.attempt + 1", "self.task.attempt"),
    Bug("deliveries are not counted", TaskState, "lease", "self.deliveries += 1", "self.deliveries = 1"),
    Bug("lowest priority first", TaskState, "rank", "-self.task.priority", "self.task.priority"),
    Bug("youngest first", TaskState, "rank", "self.seq", "-self.seq"),
    Bug("delays are ignored", TaskState, "due_us", "self.task.not_before_us", "0"),
    Bug("a microsecond early", Agenda, "_promote", "<= now_us:", "<= now_us + 1:"),
    Bug("a microsecond late", Agenda, "_promote", "<= now_us:", "< now_us:"),
    Bug("leases of milliseconds", item, "until_us", "1_000_000", "1_000"),
    Bug("one too many", MemoryStore, "receive", "len(deliveries) < limit", "len(deliveries) <= limit"),
    Bug("no due time is told", MemoryStore, "receive", "next_due_us = min(times, default=None)", "next_due_us = None"),
    Bug("leases are not prolonged", Item, "extend", "hold.until_us = until", "pass"),
    Bug("heartbeat details are dropped", Item, "extend", "if details is not None:", "if False:"),
    Bug("a heartbeat without details wipes them", Item, "extend", "if details is not None:", "if True:"),
    Bug("cancellation is not told", Item, "extend", "is_cancel_requested=state.is_cancel_requested", ""),
    Bug("a retry keeps its lease", Item, "retry", "state.hold.free()", "pass"),
    Bug("a retry keeps its count", Item, "retry", "state.task, state.deliveries = task, 0", "state.task = task"),
    Bug("a retry forgets the mark", Item, "retry", "state.hold.free()", "state.hold.free(); state.is_cancel_requested = False"),
    Bug("a lost attempt is retried", Item, "hold_of", "state.hold.token == delivery.token", "True"),
    Bug("a release counts", Item, "release", "self.tasks[delivery.task.id].deliveries -= 1", "pass"),
    Bug("a release is at once", Item, "release", "hold.free(not_before_us)", "hold.free()"),
    Bug("an acknowledged task comes again", MemoryStore, "ack", "self._settle((delivery,))", "pass"),
    Bug("finished instances are delivered", Item, "wants_turn_at_us", "if self.record.status.is_finished:", "if False:"),
    # --- claims ---
    Bug("claims hand out nothing", MemoryStore, "commit", "if commit.claim else ()", "if False else ()"),
    Bug("local tasks count", MemoryStore, "_claim", "if task.queue != LOCAL:", "if True:"),
    Bug("a claim takes what is not due", MemoryStore, "_claim", " or state.due_us() > now_us", ""),
    Bug("a claim takes of any queue", MemoryStore, "_claim", "task.queue not in claim.queues or ", ""),
    Bug("a claim has no limit", MemoryStore, "_claim", "while left > 0 and", "while"),
    Bug("a claim takes older tasks first", MemoryStore, "_claim", "for state in sent:", "for state in reversed(list(sent)):"),
    # --- instances ---
    Bug("any request gets the instance", MemoryStore, "create", "item.record.request_id == record.request_id", "True"),
    Bug("a purged request comes back", MemoryStore, "create", "if self._is_buried(record, now_us):", "if False:"),
    Bug("a purge leaves its tasks", MemoryStore, "purge", "for state in item.tasks.values():", "for state in ():"),
    Bug("a purge leaves blobs", Shelf, "_bury", "self._blobs.pop(instance_id, None)", "pass"),
    Bug("a purge takes what runs", Shelf, "_bury", "if not item.record.status.is_finished:", "if False:"),
    Bug("a tombstone for ever", Shelf, "_is_buried", "> now_us", "> 0"),
    Bug("no tombstone", Shelf, "_bury", "self._tombstones[key] = ", "_ = "),
    Bug("one batch too many", Item, "loaded", "b.number > after", "b.number >= after"),
    Bug("only the present run is kept", Item, "loaded", "run_id or self.record.run_id", "self.record.run_id"),
    Bug("blobs are everybody's", Shelf, "get_blobs", "self._blobs.get(instance_id, {})", "{k: v for b in self._blobs.values() for k, v in b.items()}"),
    # --- lists ---
    Bug("pages overlap", listing, "page_of", "position_of(record) < after", "position_of(record) <= after"),
    Bug("a full last page has a cursor", listing, "page_of", "len(found) > limit and page", "len(found) >= limit and page"),
    Bug("oldest first", listing, "page_of", "reverse=True", "reverse=False"),
    Bug("true is one", listing, "has_value", "isinstance(found, bool) == isinstance(value, bool) and ", ""),
    Bug("any attribute will do", listing, "matches", "and all(", "and any("),
    Bug("created before is inclusive", listing, "matches", "record.created_us < query.created_before_us", "True"),
    Bug("any cursor will do", listing, "from_cursor", "if found is None or not found[2].isprintable():", "if found is None:\n        return (0, '')\n    if False:"),
    # --- waiting ---
    Bug("watchers sleep on", MemoryStore, "commit", "self._board.moved(instance_id, has_new_status=has_new_status)", "pass"),
    Bug("watchers of the end sleep on", MemoryStore, "commit", "has_new_status=has_new_status", "has_new_status=False"),
    Bug("a purge wakes no watcher", MemoryStore, "purge", "self._board.moved(instance_id)", "pass"),
    Bug("no bell rings", MemoryStore, "_ring", "self._board.ring_all()", "pass"),
    Bug("no bell rings for an earlier time", MemoryStore, "_ring", "self._board.expect(due_us, queue)", "pass"),
    Bug("lost leases are not due", MemoryStore, "due", "if _needs_look(item, before_us)", "if item.is_ready(before_us)"),
    Bug("everything is due", MemoryStore, "due", " if _needs_look(item, before_us)", ""),
    Bug("due has no limit", MemoryStore, "due", "range(limit)", "range(9)"),
    Bug("a lease ends a microsecond late", Hold, "is_free", "self.until_us <= now_us", "self.until_us < now_us"),
]  # fmt: skip


def laws() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Every law with its parameters; those of the whole engine last."""
    names = [name for name in dir(ProviderSuite) if name.startswith("test_") and name not in SLOW]
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


def broken() -> Iterator[str]:
    """The laws that do not hold, one after another."""
    for name, law, parameters in laws():
        try:
            asyncio.run(asyncio.wait_for(obey(law, parameters), 5.0))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            yield name


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
@pytest.mark.filterwarnings("ignore")  # what breaks may leave tasks behind
def test_a_small_bug_breaks_a_law(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.05)
    assert next(broken(), None) is not None, f"no law of the suite catches: {bug.what}"


def test_without_a_bug_no_law_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what catches the bugs is the laws, and not this way to run them."""
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 5.0)
    quick = (law for law in laws() if not hasattr(CorpusLaws, law[0]))
    for _, law, parameters in quick:
        asyncio.run(obey(law, parameters))
