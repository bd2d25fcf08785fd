"""Failures of a bounded size: what is nearest to the failure is kept longest."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from nexus_sdk.codec.trimming import FAILURE_BYTES_MAX, LEAST_BYTES, size_of, trimmed
from nexus_sdk.codec.wire import encode_failure
from nexus_sdk.core.failure import Failure

TEXTS = ["", "short", "a" * 7_000, "ß" * 8_000, "漢" * 5_000, "💥" * 3_000]


def some(chance: Random, depth: int = 0) -> Failure:
    """Some failure, with causes and members."""

    def text() -> str:
        return chance.choice(TEXTS)

    return Failure(
        "Odd",
        text(),
        notes=tuple(text() for _ in range(chance.randrange(5))),
        cause=some(chance, depth + 1) if chance.random() < 0.8 - depth / 8 else None,
        group=tuple(some(chance, depth + 2) for _ in range(chance.randrange(max(1, 5 - depth)))),
        traceback=text(),
    )


@pytest.mark.parametrize("seed", range(20))
def test_whatever_it_is_it_fits(seed: int) -> None:
    chance = Random(seed)
    for _ in range(20):
        failure, bytes_max = some(chance), chance.randrange(2_000, FAILURE_BYTES_MAX)
        kept = trimmed(failure, bytes_max)
        assert size_of(kept) <= bytes_max
        assert len(encode_failure(kept)) <= 2 * bytes_max
        assert (kept.type, kept.lineage, kept.retryable) == (failure.type, failure.lineage, failure.retryable)
        assert trimmed(kept, bytes_max) is kept


def test_what_fits_is_left_as_it_is() -> None:
    failure = Failure("A", "a" * 8_000, notes=("n" * 8_000,), cause=Failure("B", "b" * 8_000, traceback="t" * 7_000))
    assert trimmed(failure) is failure


def test_head_and_tail_stay() -> None:
    kept = trimmed(Failure("A", "head" + "x" * 90_000 + "tail", traceback="Traceback" + "y" * 90_000 + "A: end"))
    assert kept.message.startswith("head")
    assert kept.message.endswith("tail")
    assert kept.traceback.startswith("Traceback")
    assert kept.traceback.endswith("A: end")


def test_the_nearest_causes_are_kept_and_what_is_left_out_is_told() -> None:
    chain: Failure | None = None
    for number in reversed(range(50)):
        chain = Failure(f"Cause{number}", f"number {number}", traceback="t" * 5_000, cause=chain)
    assert chain is not None
    last = trimmed(chain)
    names = [last.type]
    while last.cause is not None:
        last = last.cause
        names.append(last.type)
    assert names == [f"Cause{number}" for number in range(len(names))]
    assert 3 <= len(names) < 50
    assert "left out" in last.notes[-1]


def test_each_member_of_a_group_has_its_share() -> None:
    members = tuple(Failure(f"Member{number}", "m" * 4_000) for number in range(20))
    kept = trimmed(Failure("Group", "g", group=members))
    assert [member.type for member in kept.group] == [member.type for member in members]
    assert min(size_of(member) for member in kept.group) > LEAST_BYTES


@pytest.mark.parametrize("count", [200, 2_000])
def test_of_too_many_members_the_first_are_kept(count: int) -> None:
    members = tuple(Failure(f"Member{number}", "m" * 1_000) for number in range(count))
    kept = trimmed(Failure("Group", "g", group=members))
    assert 0 < len(kept.group) < count
    assert kept.group[0].type == "Member0"
    assert "left out" in kept.notes[-1]


def test_notes_are_cut_in_order() -> None:
    notes = tuple(f"{number}" + "n" * 2_000 for number in range(50))
    kept = trimmed(replace(Failure("A", "a"), notes=notes))
    assert kept.notes[:2] == notes[:2]
    assert kept.notes[-1] == f"nexus: {50 - len(kept.notes) + 1} notes are left out"
