"""The turns that are tried within bounds: `Turn` of `docs/formal/Instance.tla`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations, product

from nexus_sdk.testing.formal.instance import has_reason, has_termination, latest_request, meant
from nexus_sdk.testing.formal.state import Bounds, Choice, Message, Name, State, is_client_message, is_event


def subsets(items: Iterable[Name]) -> Iterator[frozenset[Name]]:
    """All of them, the empty one first."""
    known = list(items)
    return map(frozenset, chain.from_iterable(combinations(known, n) for n in range(len(known) + 1)))


def choices(s: State, worker: Name, bounds: Bounds) -> Iterator[Choice]:
    """What a turn may come to: what `commit` allows, with fewer combinations of what does not depend on each other."""
    hand = s.hand_of(worker)
    if hand.phase != "idle" or hand.at == 0 or hand.at != len(s.log):
        return
    mine = [one for one in s.doing_of(worker) if s.is_not_lost(worker, one)]
    for mail, done in product((False, True) if hand.seen_at == hand.at else (False,), subsets(mine)):
        seen = hand.seen if mail else ()
        for then in _ends_of(s, seen) & bounds.ends:
            for used in _used_by(s, seen, then):
                plain = Choice(then, mail, mail and hand.leased, done, used)
                yield from (c for c in _asking(s, plain, seen, bounds) if has_reason(s, worker, c))


def _ends_of(s: State, seen: tuple[Message, ...]) -> frozenset[str]:
    request = latest_request(seen)
    if has_termination(seen):
        return frozenset({"end"})
    if request == "suspend" and s.status == "running":
        return frozenset({"end", "continue", "suspend"})
    if request == "suspend" and s.status == "blocked":
        return frozenset({"suspend"})
    if s.status == "blocked" and request == "none":
        return frozenset({"hold", "go", "end", "continue"})
    if s.status == "suspended" and request != "resume":
        return frozenset({"hold"})
    return frozenset({"go", "end", "continue", "block"})


def _used_by(s: State, seen: tuple[Message, ...], then: str) -> set[frozenset[Message]]:
    everything = frozenset(seen)
    holds = frozenset(message for message in seen if message[0] in ("suspend", "resume"))
    if then == "hold":
        return {frozenset()}
    if then == "block":
        return {holds if latest_request(seen) == "resume" else frozenset()}
    if then == "suspend" and s.status == "blocked":
        return {holds}
    if then in ("end", "continue") and not has_termination(seen):
        return {everything, frozenset()}
    return {everything}


def _asking(s: State, plain: Choice, seen: tuple[Message, ...], bounds: Bounds) -> Iterator[Choice]:
    then, is_go, is_terminated = plain.then, plain.then == "go", has_termination(seen)
    is_run = then in ("go", "end", "continue") or (then == "suspend" and s.status == "running")
    is_asked = is_run and not is_terminated
    records = meant(s, plain.brings) if is_asked else frozenset[Name]()
    fires = s.due_timers if is_go else frozenset[Name]()
    still_open = frozenset(a for a in s.open_here - plain.brings if s.outcomes.get(a, 0) == 0)
    events = len(s.unread) + sum(map(is_event, plain.used))
    has_sends = then in ("go", "end") and not is_terminated
    for schedules, sets, sends, gives_up, reads in product(
        subsets([a for a in bounds.activities if s.task_of(a).is_ == "none"] if is_go else ()),
        subsets([t for t in bounds.timers if s.timer[t] == "none"] if is_go else ()),
        subsets([p for p in bounds.peers if p not in s.sent] if has_sends else ()),
        ("nothing", "cancels", "lapses") if bounds.gives_up and is_go and still_open else ("nothing",),
        {0} if not is_asked else {0, events} if bounds.runs_max > 1 else {events},
    ):
        is_more = s.status != "running" or s.wake == "now" or reads > 0 or gives_up != "nothing"
        has_come = any(map(is_client_message, plain.used)) or bool(records or schedules or sets or sends or fires)
        has_come = has_come or bool(meant(s, plain.brings))
        yield plain._replace(
            records=records,
            schedules=schedules,
            cancels=still_open if gives_up == "cancels" else frozenset(),
            lapses=still_open if gives_up == "lapses" else frozenset(),
            sets=sets,
            fires=fires,
            drops=s.timers_set - fires if gives_up == "cancels" else frozenset(),
            sends=sends,
            reads=reads,
            writes=then != "hold" and (not is_go or is_more or has_come),
        )
