"""Which files a reload hangs on, and when they have changed. Time is an argument."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from importlib import invalidate_caches
from pathlib import Path

import pytest

import nexus_sdk
from nexus_sdk.cli.loading import load_module
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.cli.reloading import (
    GONE_SECONDS,
    REST_SECONDS,
    Watch,
    files_of_failure,
    is_own,
    own_files,
    place_of,
    short,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "watched.py"
    path.write_text("one = 1\n")
    return path


@pytest.fixture
def watch(file: Path) -> Watch:
    watch = Watch()
    watch.follow([str(file)])
    return watch


def test_nothing_has_changed_at_first(watch: Watch) -> None:
    assert watch.poll(0.0) == []
    assert not watch.is_moving


def test_a_change_counts_once_when_it_has_come_to_rest(watch: Watch, file: Path) -> None:
    file.write_text("one = 11\n")
    assert watch.poll(0.0) == []
    assert watch.is_moving
    assert watch.poll(REST_SECONDS) == [str(file)]
    assert watch.poll(REST_SECONDS * 2) == []
    assert not watch.is_moving


def test_who_still_writes_is_waited_for(watch: Watch, file: Path) -> None:
    file.write_text("")
    assert watch.poll(0.0) == []
    file.write_text("one = 11\n")
    assert watch.poll(REST_SECONDS) == []
    assert watch.poll(REST_SECONDS * 2) == [str(file)]


def test_a_file_of_the_same_size_and_time_in_its_place_is_a_change(watch: Watch, file: Path) -> None:
    found = file.stat()
    other = file.with_suffix(".new")
    other.write_text("one = 2\n")
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(file)
    watch.poll(0.0)
    assert watch.poll(REST_SECONDS) == [str(file)]


def test_an_editor_that_takes_the_file_away_for_a_moment_makes_one_change(watch: Watch, file: Path) -> None:
    file.rename(file.with_suffix(".bak"))
    watch.poll(0.0)
    assert watch.poll(REST_SECONDS * 2) == []
    file.write_text("one = 2\n")
    watch.poll(REST_SECONDS * 3)
    assert watch.poll(REST_SECONDS * 5) == [str(file)]


def test_a_file_that_stays_away_was_removed(watch: Watch, file: Path) -> None:
    file.unlink()
    watch.poll(0.0)
    assert watch.poll(GONE_SECONDS) == [str(file)]
    assert watch.poll(GONE_SECONDS * 3) == []


def test_a_change_that_is_taken_back_is_none(watch: Watch, file: Path) -> None:
    kept = file.with_suffix(".bak")
    file.rename(kept)
    watch.poll(0.0)
    kept.rename(file)
    assert watch.poll(GONE_SECONDS) == []
    assert not watch.is_moving


def test_a_file_that_is_waited_for_changes_by_being_made(tmp_path: Path) -> None:
    watch = Watch()
    watch.follow([str(tmp_path / "later.py")])
    assert watch.poll(0.0) == []
    (tmp_path / "later.py").write_text("")
    watch.poll(1.0)
    assert watch.poll(2.0) == [str(tmp_path / "later.py")]


def test_a_file_modified_after_it_began_to_be_read_has_changed_already(file: Path) -> None:
    modified_ns = file.stat().st_mtime_ns
    unread, read = Watch(), Watch()
    unread.follow([str(file)], since_ns=modified_ns - 1)
    read.follow([str(file)], since_ns=modified_ns + 1)
    for watch in (unread, read):
        watch.poll(0.0)
    assert unread.poll(REST_SECONDS) == [str(file)]
    assert read.poll(REST_SECONDS) == []
    unread.follow([str(file)], since_ns=modified_ns - 1)  # known by now: a clock that goes wrong makes no circle
    unread.poll(1.0)
    assert unread.poll(2.0) == []


# --- whose files ------------------------------------------------------------------------------------------------------


def test_what_is_pythons_installed_or_ours_is_not_the_users(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages" / "other.py"
    installed.parent.mkdir()
    installed.write_text("")
    assert not is_own(str(installed))
    assert not is_own(str(Path(sysconfig.get_path("stdlib")) / "json" / "__init__.py"))
    assert not is_own(nexus_sdk.__file__)
    assert not is_own(str(tmp_path / "not_there.py"))
    assert not is_own("<string>")


def test_the_modules_that_a_module_imports_are_watched_wherever_they_are_imported(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text("from shop import prices")
    (folder / "shop" / "prices.py").write_text("import json, typer")
    (folder / "late.py").write_text("")
    (folder / "served.py").write_text("import shop\ndef later():\n    import late")
    module = load_module("served")
    assert _named(own_files(), folder) == {"served.py", "shop/__init__.py", "shop/prices.py"}
    module.later()
    assert _named(own_files(), folder) == {"served.py", "shop/__init__.py", "shop/prices.py", "late.py"}


def test_the_main_module_is_the_command_itself(folder: Path) -> None:
    assert own_files({"__main__": load_module("orders")}) == set()


# --- failed imports ---------------------------------------------------------------------------------------------------


def failure_of(spec: str) -> BaseException:
    with pytest.raises(Mistake) as caught:
        load_module(spec)
    cause = caught.value.__cause__ or caught.value.__context__
    assert cause is not None
    return cause


def test_all_files_on_the_way_to_a_syntax_error_are_watched(folder: Path) -> None:
    (folder / "served.py").write_text("import prices")
    (folder / "prices.py").write_text("\nbroken = (1\n")
    error = failure_of("served")
    assert _named(files_of_failure(error), folder) == {"served.py", "prices.py"}
    assert place_of(error) == "prices.py:2"


def test_the_place_of_an_error_is_the_users_last_line_before_it(folder: Path) -> None:
    (folder / "served.py").write_text("import json\n\njson.loads('{')")
    error = failure_of("served")
    assert place_of(error) == "served.py:3"


def test_what_led_to_an_error_is_watched_too(folder: Path) -> None:
    (folder / "served.py").write_text("try:\n    import prices\nexcept Exception as e:\n    raise RuntimeError from e")
    (folder / "prices.py").write_text("1 / 0")
    assert _named(files_of_failure(failure_of("served")), folder) == {"served.py", "prices.py"}


def test_where_a_missing_module_would_be_is_watched(folder: Path) -> None:
    (folder / "served.py").write_text("import shop.prices")
    found = _named(files_of_failure(failure_of("served")), folder)
    assert found >= {"served.py", "shop.py", "shop/__init__.py"}
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text("")
    invalidate_caches()
    found = _named(files_of_failure(failure_of("served")), folder)
    assert found >= {"served.py", "shop/prices.py", "shop/prices/__init__.py"}


def test_a_path_is_shown_as_seen_from_here(folder: Path) -> None:
    assert short(str(folder / "shop" / "prices.py")) == "shop/prices.py"
    assert short(f"{folder}-other/prices.py") == f"{folder}-other/prices.py"


def test_the_installed_tree_of_a_real_environment_is_not_watched() -> None:
    """What a fresh interpreter with everything of ours imported would watch: nothing."""
    script = (
        "import json, nexus_sdk.cli.reloaded, nexus_sdk.cli.reloading as r; print(json.dumps(sorted(r.own_files())))"
    )
    said = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []


def _named(files: set[str], folder: Path) -> set[str]:
    return {Path(file).relative_to(folder).as_posix() for file in files if Path(file).is_relative_to(folder)}
