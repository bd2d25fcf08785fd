"""Chance of an ordinary process."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.connection import Connection

import pytest

from nexus_sdk.runtimes.local import TOKENS_DRAWN, SystemRandomness


def test_tokens_are_unique_over_several_stocks() -> None:
    randomness = SystemRandomness()
    tokens = [randomness.token() for _ in range(3 * TOKENS_DRAWN)]
    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} == {32}


def send_tokens(randomness: SystemRandomness, to: Connection) -> None:
    to.send([randomness.token() for _ in range(5)])


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_forked_process_draws_its_own() -> None:
    randomness = SystemRandomness()
    randomness.token()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=send_tokens, args=(randomness, theirs))
    child.start()
    drawn = ours.recv()
    child.join()
    assert not {randomness.token() for _ in range(TOKENS_DRAWN)} & set(drawn)
