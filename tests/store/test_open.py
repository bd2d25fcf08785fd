"""From URLs to stores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nexus_sdk.errors import ProviderMissing, StoreError
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.open import open_store, redact
from nexus_sdk.store.split import SplitMemoryStore
from nexus_sdk.store.sqlite import SqliteStore


def test_built_in_stores_are_named_by_their_url() -> None:
    assert isinstance(open_store("memory://"), MemoryStore)
    assert isinstance(open_store("memory://?profile=split&grace=2"), SplitMemoryStore)
    relative = open_store("sqlite:///orders.db")
    assert isinstance(relative, SqliteStore)
    assert relative.path == os.path.join(os.getcwd(), "orders.db")
    absolute = open_store("sqlite:////var/lib/my%20orders.db?synchronous=normal&busy_seconds=1")
    assert isinstance(absolute, SqliteStore)
    assert absolute.path == "/var/lib/my orders.db"
    assert absolute._database.synchronous == "NORMAL"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders.db",
        "://x",
        "sqlite:orders.db",
        "sqlite://orders.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///a.db?synchronous=off",
        "sqlite:///a.db?busy_seconds=soon",
        "sqlite:///a.db?speed=high",
        "sqlite:///:memory:",
        "sqlite:///a%00.db",
        "memory://somewhere",
        "memory://?profile=fast",
        "9p://x",
    ],
)
def test_a_url_that_makes_no_sense_is_answered_with_examples(url: str) -> None:
    with pytest.raises(StoreError, match="makes no sense") as caught:
        open_store(url)
    assert "sqlite:///orders.db" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("dynamodb://eu-central-1/orders", 'pip install "nexus-sdk[aws]"'),
        ("postgresql://anna:secret@db/orders", "later release"),
        ("azure://account", "later release"),
        ("firestore://project", "later release"),
        ("stone://garden", "entry point 'stone'"),
    ],
)
def test_a_provider_that_is_missing_is_named_with_what_brings_it(
    url: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **wanted: ())
    monkeypatch.setitem(sys.modules, "nexus_aws", None)
    with pytest.raises(ProviderMissing) as caught:
        open_store(url)
    assert mend in caught.value.hint
    assert "secret" not in str(caught.value)


def test_an_unknown_scheme_is_looked_up_among_the_installed_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("stone", f"{__name__}_stone:open_stone", "nexus_sdk.providers")
    store = MemoryStore()
    monkeypatch.setattr(EntryPoint, "load", lambda self: lambda url: store)

    def entry_points(**wanted: str) -> Iterable[EntryPoint]:
        return [entry] if wanted == {"group": "nexus_sdk.providers", "name": "stone"} else []

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert open_store("stone://tablet") is store
    with pytest.raises(ProviderMissing, match="no installed provider"):
        open_store("papyrus://roll")


def test_passwords_are_not_repeated() -> None:
    assert redact("x://anna:geheim@host:1/db?sslpassword=geheim&a=1") == "x://anna:***@host:1/db?sslpassword=***&a=1"
    with pytest.raises(StoreError) as caught:
        open_store("sqlite://anna:geheim@host/db")
    assert "geheim" not in str(caught.value)


def test_opening_makes_nothing(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/store.db")
    assert os.listdir(tmp_path) == []
