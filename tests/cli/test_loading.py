"""What MODULE:NAME may be, and what is said when it is nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Nexus = Any


def test_a_file_is_a_module(nexus: Nexus, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "orders.py").rename(folder / "sub" / "bills.py")
    assert nexus("run", "sub/bills.py:one", "--input", "{}").stdout == "{}\n"


def test_a_file_of_a_package_is_imported_as_its_part(nexus: Nexus, folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "orders.py").rename(folder / "shop" / "bills.py")
    (folder / "shop" / "main.py").write_text("from .bills import one\n")
    assert nexus("run", "shop/main.py:one", "--input", "{}").stdout == "{}\n"
    assert nexus("run", "shop.main:one", "--input", "{}").stdout == "{}\n"


def test_the_only_workflow_of_a_module_needs_no_name(nexus: Nexus, folder: Path) -> None:
    (folder / "single.py").write_text("from orders import one\n")
    assert nexus("run", "single", "--input", "{}").stdout == "{}\n"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("order:fulfil", "Did you mean 'orders'?"),
        ("orders:fulfill", "Did you mean 'fulfil'?"),
        ("orders:charge", "is an activity"),
        ("orders:Context", "is no workflow"),
        ("orders", "Which workflow of orders?"),
        (":fulfil", "names no module"),
        ("nowhere/orders.py:fulfil", "There is no file"),
        ("json.py:x", "There is no file"),
    ],
)
def test_names_that_are_nothing(nexus: Nexus, spec: str, said: str) -> None:
    refused = nexus("run", spec)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_bears_a_taken_name_is_refused(nexus: Nexus, folder: Path) -> None:
    (folder / "json.py").write_text("from orders import one\n")
    refused = nexus("run", "json.py:one")
    assert (refused.exit_code, "Rename the file" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import json\nx = json.loads('{')\n", "x = json.loads('{')"),
        ("def broken(:\n", "SyntaxError"),
        ("import nothing_of_this_name\n", "which is not installed here"),
        ("raise SystemExit('no')\n", "SystemExit: no"),
        ("from nexus_sdk import workflow\n@workflow\ndef x(ctx): pass\n", "NX101"),
    ],
)
def test_a_module_that_fails_shows_its_own_traceback(nexus: Nexus, folder: Path, text: str, said: str) -> None:
    (folder / "broken.py").write_text(text)
    refused = nexus("run", "broken:x")
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "broken.py" in refused.stderr
    assert "nexus_sdk/" not in refused.stderr


def test_the_apps_own_store_counts_unless_another_is_named(
    nexus: Nexus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from orders import *\nfrom nexus_sdk import Nexus\napp = Nexus('sqlite:///own.db', workflows=[one])\n"
    (folder / "shop.py").write_text(text)
    nexus("run", "shop:one", "--input", "{}")
    assert (folder / "own.db").exists()
    nexus("run", "shop:one", "--input", "{}", "--store", "sqlite:///typed.db")
    assert (folder / "typed.db").exists()
    monkeypatch.setenv("NEXUS_STORE", "sqlite:///set.db")
    nexus("run", "shop:one", "--input", "{}")
    assert (folder / "set.db").exists()
    assert not (folder / "nexus.db").exists()
    refused = nexus("run", "shop:approval")
    assert (refused.exit_code, "does not serve 'approval'" in refused.stderr) == (2, True)


def test_nexus_app_is_the_default_app(nexus: Nexus, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from orders import *\nfrom nexus_sdk import Nexus\napp = Nexus('sqlite:///own.db', workflows=[one])\n"
    (folder / "shop.py").write_text(text)
    monkeypatch.setenv("NEXUS_APP", "shop")
    assert nexus("run", "one", "--input", "{}", "--id", "a").stdout == "{}\n"
    assert json.loads(nexus("show", "a", "--json").stdout)["status"] == "completed"
