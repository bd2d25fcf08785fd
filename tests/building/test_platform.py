"""Platforms are found by their entry points; the next cloud needs no second command line."""

from __future__ import annotations

from importlib import metadata
from types import SimpleNamespace

import pytest

from nexus_sdk.building.platform import GROUP, find_platform
from nexus_sdk.errors import PlatformMissing


def test_aws_is_found() -> None:
    platform = find_platform("aws")
    assert (platform.name, platform.title) == ("aws", "AWS")
    assert {setting.name for setting in platform.settings} >= {"memory", "timeout", "url"}
    assert all(setting.meaning.endswith(".") for setting in platform.settings)


def test_another_cloud_is_one_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    moon = SimpleNamespace(name="moon", title="The moon", settings=())

    def broken() -> None:
        raise ImportError("no module named 'rocket'")

    entries = [SimpleNamespace(name="moon", load=lambda: moon), SimpleNamespace(name="mars", load=broken)]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == GROUP else [])
    assert find_platform("moon") is moon  # type: ignore[comparison-overlap]
    with pytest.raises(PlatformMissing, match="no module named 'rocket'"):
        find_platform("mars")
    with pytest.raises(PlatformMissing, match="'venus'") as told:
        find_platform("venus")
    assert told.value.hint == "There is: mars, moon."
