"""archive_tree on awkward trees, through the real engine with a clock that jumps."""

import errno
import hashlib
import json
import os
import socket
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import archive_files as files
import archive_tree as sample
import demo_timeline as demo
import pytest
from typer.testing import CliRunner

from nexus_sdk import Nexus, WorkflowFailed
from nexus_sdk.cli.app import app as command_line
from nexus_sdk.testing import WorkflowEnvironment

ACTIVITIES = [sample.walk, sample.store_files, sample.verify_files, sample.write_manifest, sample.tidy]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree: a file, a copy of it, an empty one, one below."""
    tree = tmp_path / "source"
    (tree / "below" / "empty").mkdir(parents=True)
    for name, text in {"a.txt": "alpha", "copy.txt": "alpha", "nothing": "", "below/b.bin": "beta" * 1000}.items():
        (tree / name).write_text(text)
    return tree


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "archive"


async def archive(source: Path, target: Path, *more: object) -> dict:
    async with environment() as env:
        return await env.run(sample.archive_tree, str(source), str(target), *more)


def environment() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[sample.archive_tree], activities=ACTIVITIES)


def manifest_of(target: Path) -> dict[bytes, dict]:
    lines = [json.loads(line) for line in (target / "manifest.jsonl").read_bytes().splitlines()]
    assert lines == sorted(lines, key=lambda line: files.path_of(line).split(b"/"))
    return {files.path_of(line): line for line in lines}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def written(folder: Path, names: list[bytes]) -> list[bytes]:
    """Make files that hold their own names; those that this file system takes."""
    made = []
    for name in names:
        with suppress(OSError), open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
            made.append(name)
    return made


def contents(target: Path, line: dict) -> bytes:
    data = zlib.decompress(files.object_path(target, line["sha256"]).read_bytes())
    assert hashlib.sha256(data).hexdigest() == line["sha256"]
    return data


# --- what it makes ----------------------------------------------------------------------------------------------------


async def test_every_file_can_be_had_from_the_archive(source: Path, target: Path):
    result = await archive(source, target)
    assert (result["files"], result["bytes"], result["directories"], result["skipped"]) == (4, 4010, 2, 0)
    manifest = manifest_of(target)
    for path, line in manifest.items():
        if line["type"] == "file":
            assert contents(target, line) == (source / os.fsdecode(path)).read_bytes()
    assert manifest[b"a.txt"]["sha256"] == manifest[b"copy.txt"]["sha256"]
    assert manifest[b"below/empty"]["type"] == "directory"
    assert result["manifest_sha256"] == hashlib.sha256((target / "manifest.jsonl").read_bytes()).hexdigest()


async def test_nothing_but_objects_and_the_manifest_stays(source: Path, target: Path):
    await archive(source, target)
    assert {path.relative_to(target).parts[0] for path in files_below(target)} == {"objects", "manifest.jsonl"}
    assert not (target / "work").exists()


async def test_the_same_tree_again_gives_the_same_archive(source: Path, target: Path):
    first = await archive(source, target)
    before = {path: path.stat().st_ino for path in files_below(target / "objects")}
    assert await archive(source, target) == first
    assert {path: path.stat().st_ino for path in files_below(target / "objects")} == before


async def test_an_empty_tree_is_a_tree(tmp_path: Path, target: Path):
    (tmp_path / "source").mkdir()
    assert (await archive(tmp_path / "source", target))["files"] == 0
    assert (target / "manifest.jsonl").read_bytes() == b""


async def test_progress_can_be_asked_for_and_is_the_custom_status(source: Path, target: Path):
    async with environment() as env:
        handle = await env.start(sample.archive_tree, str(source), str(target))
        await handle.result()
        assert (await handle.query("progress"))["verified"]["files"] == 4
        assert (await handle.status()).custom_status == {"archived": "4 of 4 files", "read": "0.0 of 0.0 MB"}


async def test_a_large_tree_continues_as_new(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "CHUNK_FILES", 1)
    monkeypatch.setattr(sample, "CHUNKS_PER_RUN", 2)
    async with environment() as env:
        handle = await env.start(sample.archive_tree, str(source), str(target))
        assert (await handle.result())["files"] == 4
        assert (await handle.status()).run > 2
    assert len(manifest_of(target)) == 6


# --- awkward trees ----------------------------------------------------------------------------------------------------


async def test_odd_names_survive(source: Path, target: Path):
    odd = [b"line\nbreak", b"not utf-8 \xff\xfe", b" blanks ", "ünï→☃".encode(), b"-rf", b"quote\"'\\"]
    names = written(source, odd)
    result = await archive(source, target)
    manifest = manifest_of(target)
    assert result["files"] == 4 + len(names)
    assert [contents(target, manifest[name]) for name in names] == names


async def test_links_are_recorded_and_not_followed(source: Path, target: Path):
    (source / "loop").symlink_to(source, target_is_directory=True)
    (source / "below" / "up").symlink_to("..")
    (source / "dangling").symlink_to("nowhere")
    result = await archive(source, target)
    assert (result["links"], result["files"]) == (3, 4)
    assert manifest_of(target)[b"dangling"]["to_path"] == "nowhere"


@pytest.mark.skipif(os.name != "posix", reason="fifos")
async def test_what_is_no_file_is_skipped_with_the_reason(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(source)  # the name of a socket must be short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        result = await archive(source, target)
    assert result["skipped_because"] == ["pipe: it is a fifo", "sock: it is a socket"]


async def test_what_cannot_be_read_is_skipped_with_the_reason(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
):
    # Root may read everything: so the refusal is played.
    def refuse(path: bytes, real=files.open_file) -> int:
        if path.endswith(b"a.txt"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    def refuse_folder(folder: bytes, real=files._scan) -> list:
        if folder.endswith(b"below"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(folder)

    monkeypatch.setattr(files, "open_file", refuse)
    monkeypatch.setattr(files, "_scan", refuse_folder)
    result = await archive(source, target)
    assert (result["files"], result["skipped"]) == (2, 2)
    assert result["skipped_because"] == ["a.txt: permission denied", "below: permission denied"]


async def test_a_file_that_vanishes_or_turns_into_something_else_is_skipped(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
):
    def meanwhile(path: bytes, real=files.open_file) -> int:
        with suppress(FileNotFoundError):
            (source / "a.txt").unlink()
            (source / "nothing").unlink()
            (source / "nothing").mkdir()
        return real(path)

    monkeypatch.setattr(files, "open_file", meanwhile)
    result = await archive(source, target)
    assert result["skipped_because"] == ["a.txt: it vanished during the run", "nothing: it has become a directory"]


def test_a_file_that_changes_while_it_is_read_is_read_again_then_skipped(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
):
    changes = []

    def changing(file, packed, alive, real=files._pack):
        said = real(file, packed, alive)
        if len(changes) < most:
            changes.append(1)
            with open(source / "a.txt", "a") as more:
                more.write("!")
        return said

    monkeypatch.setattr(files, "_pack", changing)
    entry = {"path": "a.txt", "type": "file", "size": 5}
    most = 1
    stored = files.store_file(os.fsencode(source / "a.txt"), entry, target, target / "scratch", lambda: None)
    assert (stored["type"], contents(target, stored)) == ("file", b"alpha!")
    most = 9
    skipped = files.store_file(os.fsencode(source / "a.txt"), entry, target, target / "scratch", lambda: None)
    assert (skipped["type"], skipped["reason"]) == ("skipped", "it changed while it was read")


async def test_an_archive_inside_its_source_leaves_itself_out(source: Path):
    first = await archive(source, source / "below" / "archive")
    assert await archive(source, source / "below" / "archive") == first
    assert first["files"] == 4


async def test_names_can_be_excluded(source: Path, target: Path):
    assert (await archive(source, target, ["below", "*.txt"]))["files"] == 1


def test_a_hundred_megabytes_are_never_in_memory(tmp_path: Path, target: Path):
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        entry = {"path": "large", "type": "file", "size": 100 << 20}
        stored = files.store_file(os.fsencode(large), entry, target, target / "scratch", lambda: None)
        files.check_object(target, stored, lambda: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored["size"] == 100 << 20
    assert peak < 8 << 20


# --- when it goes wrong -----------------------------------------------------------------------------------------------


async def test_an_attempt_that_dies_half_way_is_done_again(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch):
    expected = await archive(source, target.with_name("undisturbed"))
    calls = []

    def dying(*arguments, real=files.store_file):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(files, "store_file", dying)
    result = await archive(source, target)
    assert len(calls) == 3 + 4  # the portion was begun again
    assert result["manifest_sha256"] == expected["manifest_sha256"]


def test_what_is_broken_off_leaves_nothing_under_its_name(target: Path):
    def break_off() -> None:
        with files.appearing(target / "manifest.jsonl") as file:
            file.write(b"half a l")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"nonsense", lambda data: zlib.compress(b"other")],
)
def test_a_damaged_object_is_found(source: Path, target: Path, damage):
    entry = {"path": "a.txt", "type": "file", "size": 5}
    stored = files.store_file(os.fsencode(source / "a.txt"), entry, target, target / "scratch", lambda: None)
    files.check_object(target, stored, lambda: None)
    place = files.object_path(target, stored["sha256"])
    place.write_bytes(damage(place.read_bytes()))
    with pytest.raises(files.Damaged):
        files.check_object(target, stored, lambda: None)


async def test_a_damaged_archive_fails_the_workflow(source: Path, target: Path):
    await archive(source, target)
    digest = hashlib.sha256(b"alpha").hexdigest()
    files.object_path(target, digest).write_bytes(b"nonsense")
    with pytest.raises(WorkflowFailed, match=f"object {digest}"):
        await archive(source, target)


@pytest.mark.parametrize("aim", ["missing", "a.txt"])
async def test_a_source_that_is_no_directory_fails_at_once(source: Path, target: Path, aim: str):
    with pytest.raises(WorkflowFailed, match="is not a directory"):
        await archive(source / aim, target)


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demo_draws_the_export_of_the_command_line(source: Path, target: Path, tmp_path: Path):
    store = f"sqlite:///{tmp_path}/demo.db"
    app = Nexus(store, workflows=[sample.archive_tree], activities=ACTIVITIES)
    app.run(sample.archive_tree, str(source), str(target), id="demo")
    exported = CliRunner().invoke(command_line, ["history", "demo", "--json", "--store", store])
    assert exported.exit_code == 0, exported.output
    drawn = [run.name for run in demo.runs_of(demo.batches_of(exported.stdout))]
    assert drawn[0] == "walk"
    assert "write_manifest" in drawn
