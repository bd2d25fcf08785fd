"""Small bugs, by the function that each is planted into: what it is, the piece of source, and what stands instead.

One of them that no law of the provider suite catches is a law that is missing there.
"""

from __future__ import annotations

from types import ModuleType

from nexus_sdk.store import item, listing, memory
from nexus_sdk.store.agenda import Agenda
from nexus_sdk.store.bell import LocalBell
from nexus_sdk.store.item import Hold, Item, TaskState
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.shelf import Shelf

BUGS: dict[tuple[type | ModuleType, str], dict[str, tuple[str, str]]] = {
    (Item, "check_fence"): {
        "no fence": ("if found ==", "if True or found =="),
        "a fence that ignores the run": ("found = (self.record.run_id, ", "found = (commit.expected_run_id, "),
    },
    (Item, "_has_made"): {
        "a commit does not know itself again": ("return any(", "return False and any("),
        "any commit with the same number is taken for its repetition": (
            "(found.number, found.turn_id) == (first.number, first.turn_id)",
            "found.number == first.number",
        ),
    },
    (Item, "append"): {
        "the record is not replaced": ("self.record = commit.record", "self.record.__class__"),
        "without a batch the record is not replaced": (
            "self.record = commit.record",
            "self.record = commit.record if commit.batches else self.record",
        ),
        "consumed messages stay": ("self._consume(commit.consumed)", "pass"),
        "all messages are consumed": ("self._consume(commit.consumed)", "self._consume(list(self.inbox))"),
        "a run that ends takes nothing with it": (
            "self.runs.setdefault(batch.run_id, []).append(batch)",
            "self.runs.setdefault(commit.record.run_id, []).append(batch)",
        ),
    },
    (Item, "is_lost"): {
        "a lost turn may be settled": ("self.turn.token not in (None, delivery.token)", "False"),
        "a settled task may be settled again": ("state is None or ", "state is not None and "),
    },
    (Item, "accept"): {
        "messages are not known again": ("if self.knows(message):", "if False:"),
        "remembered ids are forgotten": ("if plain.is_remembered:", "if False:"),
        "every id is remembered": ("if plain.is_remembered:", "if True:"),
        "numbers are given again": ("self.last_number += 1", "self.last_number = len(self.inbox) + 1"),
        "times of acceptance go back": ("max(now_us, self.last_accepted_us)", "now_us"),
        "accepted messages keep their replies": ("if_finished=None,", ""),
        "long bodies are cut": (
            "number=self.last_number,",
            "number=self.last_number, body=message.body[:256_000],",
        ),
    },
    (Item, "wants_turn_at_us"): {
        "held instances are delivered": ("(self.record.held_through or 0)", "0"),
        "finished instances are delivered": ("if self.record.status.is_finished:", "if False:"),
    },
    (Item, "messages"): {
        "messages are loaded in any order": ("self.inbox.values()", "reversed(self.inbox.values())"),
    },
    (Item, "rank"): {
        "the oldest instance first": ("next(iter(self.inbox.values())).accepted_at_us", "0"),
    },
    (Item, "cancel_task"): {
        "held tasks are removed": ("if state.hold.token is None:", "if True:"),
        "held tasks are not marked": ("state.is_cancel_requested = True", "pass"),
    },
    (Item, "add_task"): {
        "a task replaces the one with its id": ("if task.id in self.tasks:", "if False:"),
    },
    (Item, "lease_turn"): {
        "a delivery has no messages": ("self.messages()", "()"),
        "a delivery does not say at which batch it was": ("self.record.last_batch", "0"),
        "a turn is delivered to everybody": ("self.turn.take(token, until)", "pass"),
    },
    (Item, "extend"): {
        "leases are not prolonged": ("hold.until_us = until", "pass"),
        "heartbeat details are dropped": ("if details is not None:", "if False:"),
        "a heartbeat without details wipes them": ("if details is not None:", "if True:"),
        "cancellation is not told": ("is_cancel_requested=state.is_cancel_requested", ""),
    },
    (Item, "retry"): {
        "a retry keeps its lease": ("state.hold.free()", "pass"),
        "a retry keeps its count": (
            "state.task, state.deliveries, state.dead_letter = task, 0",
            "state.task, state.deliveries, state.dead_letter = task, state.deliveries",
        ),
        "a retry forgets the mark": ("state.hold.free()", "state.hold.free(); state.is_cancel_requested = False"),
    },
    (Item, "hold_of"): {
        "a lost attempt is retried": ("state.hold.token == delivery.token", "True"),
    },
    (Item, "release"): {
        "a release counts": ("self.tasks[delivery.task.id].deliveries -= 1", "pass"),
        "a release is at once": ("hold.free(not_before_us)", "hold.free()"),
    },
    (Item, "loaded"): {
        "one batch too many": ("b.number > after", "b.number >= after"),
        "only the present run is kept": ("run_id or self.record.run_id", "self.record.run_id"),
    },
    (Item, "of"): {
        "a record loses a field": ("item = cls(new.record, seq)", "item = cls(replace(new.record, trace={}), seq)"),
    },
    (TaskState, "lease"): {
        "a lost lease is no attempt": ("self.task.attempt + 1", "self.task.attempt"),
        "deliveries are not counted": ("self.deliveries += 1", "self.deliveries = 1"),
    },
    (TaskState, "rank"): {
        "lowest priority first": ("-self.task.priority", "self.task.priority"),
        "youngest first": ("self.seq", "-self.seq"),
    },
    (TaskState, "due_us"): {
        "delays are ignored": ("self.task.not_before_us", "0"),
    },
    (Hold, "is_free"): {
        "a lease ends a microsecond late": ("self.until_us <= now_us", "self.until_us < now_us"),
    },
    (Agenda, "_promote"): {
        "a microsecond early": ("<= now_us:", "<= now_us + 1:"),
        "a microsecond late": ("<= now_us:", "< now_us:"),
    },
    (MemoryStore, "commit"): {
        "a repetition hands out nothing": ("tuple(still_held(commit, self._items))", "()"),
        "commits do not wait for their deliveries' leases": ("self._check_settles(commit.settles)", "pass"),
        "commits settle nothing": ("self._settle(commit.settles)", "pass"),
        "consumed messages go a moment after the batch has come": (
            "item.append(commit)",
            "item.append(replace(commit, consumed=())); await asyncio.sleep(0); item._consume(commit.consumed)",
        ),
        "a commit is known by its batch alone, whosever it is": (
            "item = self._item(instance_id)",
            "item = self._items.get(instance_id)\n"
            "        if item is None or item.record.request_id != commit.record.request_id: return Committed()",
        ),
        "a commit says that nothing is ready": (
            "return Committed(deliveries, is_ready)",
            "return Committed(deliveries, False)",
        ),
        "claims hand out nothing": ("if commit.claim else ()", "if False else ()"),
        "watchers sleep on": ("self._board.moved(instance_id, has_new_status=has_new_status)", "pass"),
        "watchers of the end sleep on": ("has_new_status=has_new_status", "has_new_status=False"),
    },
    (MemoryStore, "send"): {
        "finished instances take messages": ("if item.record.status.is_finished and", "if False and"),
        "a repetition to a finished instance is refused": (" and not item.knows(message)", ""),
        "sending settles nothing": ("self._settle(settles)", "pass"),
        "sending wakes nobody": ("self._index(item)", "pass"),
        "of a large send a part stays, though it is refused": (
            "item = self._items[message.instance_id]",
            "item = self._items[message.instance_id]\n"
            "            if len(message.body) > 256_000: raise finished(message.instance_id, item.record.status)",
        ),
        "who repeats himself settles nothing": (
            "self._check_settles(settles)",
            "self._check_settles(settles)\n"
            "        settles = () if any(self._items[m.instance_id].knows(m) for m in messages) else settles",
        ),
        "lost deliveries are reported all the same": ("self._check_settles(settles)", "pass"),
    },
    (MemoryStore, "_offer"): {
        "refusals are not told": ("return message.if_refused\n", "return None\n"),
        "who has finished is taken for unknown": ("message.if_finished or message.if_refused", "message.if_refused"),
        "acceptance is not told": ("return message.if_accepted", "return None"),
    },
    (MemoryStore, "_send_instance"): {
        "a child is refused to its own request": ("item.record.request_id != new.record.request_id and ", ""),
        "a late child rises from the dead": ("if self._is_buried(new.record, now_us):", "if False:"),
    },
    (MemoryStore, "_cancel"): {
        "removed tasks are not told": ("self._offer(cancel.if_removed, now_us)", "pass"),
    },
    (MemoryStore, "receive"): {
        "one too many": ("len(deliveries) < limit", "len(deliveries) <= limit"),
        "no due time is told": ("next_due_us = min(times, default=None)", "next_due_us = None"),
        "only the first queue is served": ("in dict.fromkeys(queues)", "in queues[:1]"),
        "there is always more": ("default=None)", "default=now_us)"),
        "time ends in 2160": ("take(now_us)", "take(min(now_us, 6 * 10**15))"),
        "time begins in 2001": ("take(now_us)", "take(max(now_us, 10**15))"),
    },
    (MemoryStore, "ack"): {
        "an acknowledged task comes again": ("self._settle((delivery,))", "pass"),
    },
    (MemoryStore, "_claim"): {
        "local tasks count": ("if task.queue != LOCAL:", "if True:"),
        "a claim takes what is not due": (" or state.due_us() > now_us", ""),
        "a claim takes of any queue": ("task.queue not in claim.queues or ", ""),
        "a claim has no limit": ("while left > 0 and", "while"),
        "a claim takes older tasks first": ("for state in sent:", "for state in reversed(list(sent)):"),
    },
    (MemoryStore, "create"): {
        "any request gets the instance": ("item.record.request_id == record.request_id", "True"),
        "a purged request comes back": ("if self._is_buried(record, now_us):", "if False:"),
        "an instance is there a moment before its message": (
            "self._put(new, now_us)",
            "self._put(replace(new, message=None), now_us); await asyncio.sleep(0)\n"
            "        if new.message is not None: await self.send([new.message], now_us=now_us)",
        ),
        "creating wipes blobs": ("self._put(new, now_us)", "self._put(new, now_us); self._blobs.clear()"),
        "ids are trimmed": (
            "item = self._items.get(record.id)",
            "record = replace(record, id=record.id.strip()); new = replace(new, record=record); item = None",
        ),
    },
    (MemoryStore, "purge"): {
        "a purge leaves its tasks": ("for state in item.tasks.values():", "for state in ():"),
        "a purge wakes no watcher": ("self._board.moved(instance_id)", "pass"),
    },
    (MemoryStore, "_ring"): {
        "no bell rings": ("self._board.ring_all()", "pass"),
        "bells ring a moment later": (
            "self._board.ring_all()",
            "asyncio.get_running_loop().call_later(0.001, self._board.ring_all)",
        ),
        "no bell rings for an earlier time": ("self._board.expect(due_us, queue)", "pass"),
    },
    (MemoryStore, "due"): {
        "lost leases are not due": ("if _needs_look(item, before_us)", "if item.is_ready(before_us)"),
        "everything is due": (" if _needs_look(item, before_us)", ""),
        "due has no limit": ("range(limit)", "range(9)"),
    },
    (memory, "_needs_look"): {
        "lost turns are not due": ("item.is_ready(before_us)", "(not item.turn.token and item.is_ready(before_us))"),
    },
    (MemoryStore, "_put"): {
        "what was created is not ready": ("self._index(item)", "pass"),
    },
    (MemoryStore, "_agenda"): {
        "all queues are one": (
            "self._agendas.setdefault(queue, Agenda())",
            "self._agendas.setdefault(queue and '', Agenda())",
        ),
    },
    (MemoryStore, "retry"): {
        "a retry takes whatever lease there is": (
            "self._check_settles((delivery,))",
            "delivery = self._items[task.instance_id].tasks[task.id].held_by('bert') or delivery",
        ),
        "a retry is put off for 15 minutes at most": (
            "item.retry(delivery, task)",
            "item.retry(delivery, replace(task, not_before_us=min(task.not_before_us, now_us + 900_000_000)))",
        ),
    },
    (Shelf, "_bury"): {
        "a purge leaves blobs": ("self._blobs.pop(instance_id, None)", "pass"),
        "a purge takes what runs": ("if not item.record.status.is_finished:", "if False:"),
        "a tombstone for ever": ("round(tombstone_seconds * 1_000_000)", "10**18"),
        "a tombstone falls a second early": ("tombstone_seconds * 1_000_000", "(tombstone_seconds - 1) * 1_000_000"),
        "no tombstone": ("self._tombstones[key] = ", "_ = "),
    },
    (Shelf, "get_blobs"): {
        "blobs are everybody's": (
            "self._blobs.get(instance_id, {})",
            "{k: v for b in self._blobs.values() for k, v in b.items()}",
        ),
    },
    (Shelf, "_item"): {
        "unknown instances are told as something else": (
            "raise not_found(instance_id)",
            "raise unfinished(instance_id, Status.RUNNING)",
        ),
    },
    (Shelf, "put_blobs"): {
        "blobs are not kept": (".update(blobs)", ""),
        "blobs push each other out": (
            "self._blobs.setdefault(instance_id, {}).update(blobs)",
            "self._blobs[instance_id] = dict(blobs)",
        ),
        "blobs are cut": (".update(blobs)", ".update({key: data[:99_000] for key, data in blobs.items()})"),
        "a hundred blobs at most": (".update(blobs)", ".update(list(blobs.items())[:100])"),
    },
    (Shelf, "close"): {
        "closing forgets everything": (
            '"""Nothing to release; the instances stay as long as the store object."""',
            "self._items.clear()",
        ),
    },
    (Shelf, "migrate"): {
        "migrating begins anew": ("return 1", "self._items.clear()\n    return 1"),
    },
    (LocalBell, "ring"): {
        "a ring before the wait is not heard": ("if not waiters:", "if False:"),
    },
    (item, "is_held_by"): {
        "a repetition hands out what others hold": ('token.rpartition("/")[0] == holder', "True"),
    },
    (item, "until_us"): {
        "leases of milliseconds": ("1_000_000", "1_000"),
        "leases of an hour at most": ("lease.seconds", "min(lease.seconds, 3_600.0)"),
    },
    (listing, "page_of"): {
        "pages overlap": ("position_of(record) < after", "position_of(record) <= after"),
        "a full last page has a cursor": ("len(found) > limit and page", "len(found) >= limit and page"),
        "oldest first": ("reverse=True", "reverse=False"),
        "a cursor is lost when its record does not match any more": (
            "[record for record in found if position_of(record) < after]",
            "found[next((n + 1 for n, record in enumerate(found) if position_of(record) == after), 0) :]",
        ),
        "a page of 500 at most is the last": ("found[:limit])", "found[: min(limit, 500)])"),
    },
    (listing, "has_value"): {
        "long texts are compared by their beginnings": ("found == value", "str(found)[:999] == str(value)[:999]"),
        "true is one": ("isinstance(found, bool) == isinstance(value, bool) and ", ""),
    },
    (listing, "matches"): {
        "any attribute will do": ("and all(", "and any("),
        "created before is inclusive": ("record.created_us < query.created_before_us", "True"),
    },
    (listing, "from_cursor"): {
        "any cursor will do": (
            "if found is None or not found[2].isprintable():",
            "if found is None:\n        return (0, '')\n    if False:",
        ),
    },
}
