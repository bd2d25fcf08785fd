"""Keyrings: which keys they take, and that no error and no repr shows one."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from nexus_sdk.codec.keys import Keyring
from nexus_sdk.errors import DefinitionError, KeyMissing

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize(
    ("keys", "primary", "said"),
    [
        ({}, None, "takes keys by id"),
        ([ONE], None, "takes keys by id"),
        ({"a": ONE[:31]}, None, "'a' has 31 bytes"),
        ({"a": text(ONE)}, None, "'a' has a str"),
        ({"": ONE}, None, "1 to 64 printable"),
        ({"a" * 65: ONE}, None, "1 to 64 printable"),
        ({"a\n": ONE}, None, "1 to 64 printable"),
        ({1: ONE}, None, "1 to 64 printable"),
        ({"\N{KEY}" * 64: ONE}, None, "1 to 64 printable ASCII"),
        ({"a": ONE, "b": OTHER}, None, "which of the keys 'a', 'b' writes"),
        ({"a": ONE}, "b", "primary key is one of 'a', got 'b'"),
    ],
)
def test_what_is_no_keyring_is_refused(keys: Any, primary: str | None, said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as raised:
        Keyring(keys, primary=primary)
    assert text(ONE) not in str(raised.value)
    assert repr(ONE)[2:-1] not in str(raised.value)


@pytest.mark.parametrize(("keys", "primary"), [({ONE: "a"}, None), ({"a": ONE}, ONE)], ids=["turned round", "primary"])
def test_a_key_in_the_place_of_its_id_is_not_shown(keys: Any, primary: Any) -> None:
    with pytest.raises(DefinitionError, match="got a bytes") as raised:
        Keyring(keys, primary=primary)
    assert repr(ONE)[2:12] not in str(raised.value)


def test_what_is_derived_depends_on_key_purpose_and_owner() -> None:
    ring = Keyring({"a": ONE, "b": OTHER}, primary="a")
    made = {ring.derived(id, purpose, owner) for id in "ab" for purpose in (b"x", b"y") for owner in ("", "i", "j")}
    assert len(made) == 12
    assert all(len(derived) == 32 for derived in made)
    assert Keyring({"a": ONE}).derived("a", b"x", "i") == ring.derived("a", b"x", "i")


def test_a_key_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyMissing, match=r"the key '2025'; this app has '2026'"):
        Keyring({"2026": ONE}).derived("2025", b"x", "i")


def test_keys_come_from_the_environment_and_the_first_one_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_KEYS", f" new={text(ONE)}, old={text(OTHER)} ")
    ring = Keyring.from_environment()
    assert ring.primary == "new"
    assert ring.derived("old", b"x", "i") == Keyring({"old": OTHER}).derived("old", b"x", "i")


@pytest.mark.parametrize(
    "value", ["", "  ", "s3cr3t", f"a={text(ONE)[:-4]}", f"a={text(ONE)},", "a=%%%", f"={text(ONE)}"]
)
def test_an_environment_variable_that_is_no_keyring_is_refused_unseen(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEYS", value)
    with pytest.raises(DefinitionError) as raised:
        Keyring.from_environment("MY_KEYS")
    assert "s3cr3t" not in str(raised.value)
    assert text(ONE)[:10] not in str(raised.value)


def test_one_id_twice_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEYS", f"a={text(ONE)},a={text(OTHER)}")
    with pytest.raises(DefinitionError, match="two keys of one id"):
        Keyring.from_environment("MY_KEYS")


def test_a_repr_shows_ids_and_no_keys() -> None:
    shown = repr(Keyring({"a": ONE, "b": OTHER}, primary="b"))
    assert shown == "<keyring of 'a', 'b', 'b' writes>"
