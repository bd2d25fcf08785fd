"""The distribution ships what the folders hold."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.store.open import _SHIPPED

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_lists_every_provider(pyproject: dict[str, Any]) -> None:
    folders = {f"providers/{path.parent.name}" for path in (ROOT / "providers").glob("*/__init__.py")}
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == sorted({"nexus_sdk", *folders})


def test_the_providers_of_this_distribution_are_opened_by_the_names_of_their_entry_points(
    pyproject: dict[str, Any],
) -> None:
    entries = pyproject["project"]["entry-points"]["nexus_sdk.providers"]
    assert entries == {scheme: f"{module}:open_store" for scheme, module in _SHIPPED.items()}


def test_every_package_says_that_it_is_typed(pyproject: dict[str, Any]) -> None:
    for package in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").exists(), package


def test_the_folder_of_providers_is_not_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "providers", raising=False)
    with pytest.raises(ImportError, match="import nexus_aws"):
        importlib.import_module("providers")


def test_what_the_tools_of_the_cli_need_is_an_extra(pyproject: dict[str, Any]) -> None:
    names = [requirement.partition(">=")[0] for requirement in pyproject["project"]["dependencies"]]
    assert names == ["msgpack", "pydantic", "structlog", "cloudpickle"]
