"""`nexus doctor`: what is installed, whether the store answers, and what to do about what is missing; or, asked for it,
whether what the store holds is what was written."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import re
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

import nexus_sdk
from nexus_sdk.app import DEFAULT_STORE, Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.access import AppOption, JsonOption, StoreOption, app_for, ask, checked
from nexus_sdk.cli.completing import complete_id
from nexus_sdk.cli.mistakes import FAILED, Mistake, told
from nexus_sdk.errors import NexusError
from nexus_sdk.store.open import redact
from nexus_sdk.store.port import Query

DISTRIBUTION = "nexus-sdk"
NOT_FOR_USERS = ("dev", "docs")
MARKS = {"ok": ("✓ ", "green"), "note": ("· ", "dim"), "bad": ("✗ ", "bold red")}
PROBE_BYTES = 64 * 1024
"""So much is written to see whether the disk takes it."""

FREE_BYTES_MIN = 10_000_000
"""With less than this free the next commits are not to be relied on."""

PLAIN_MARKS = {"ok": "ok    ", "note": "note  ", "bad": "BAD   "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `state`: ``ok``, ``note`` (nothing to worry about) or ``bad``."""

    subject: str
    state: str
    text: str
    advice: str = ""


@told
def doctor(
    history: Annotated[
        str | None,
        typer.Option(
            "--history", metavar="ID", help="Verify what is stored of this instance.", autocompletion=complete_id
        ),
    ] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Verify what is stored of every instance.")] = False,
    store: StoreOption = None,
    app: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Look at versions, extras and the store, or verify stored histories. Exit code 1 when something is broken."""
    if history is not None and all_of_them:
        raise Mistake("--history verifies one instance, --all all of them: give one of the two.")
    if history is not None or all_of_them:
        _verify(checked(app_for(app, store), may_make=False), history, is_json=json)
    else:
        _examine(app, store, is_json=json)


def _verify(app: Nexus, id: str | None, *, is_json: bool) -> None:
    from nexus_sdk.cli.verifying import verify

    report = ask(app, lambda client: verify(client, id, is_told=not is_json))
    output.put_json(report.as_json()) if is_json else output.put(report.summary())
    if report.damaged:
        raise typer.Exit(FAILED)


def _examine(app: str | None, store: str | None, *, is_json: bool) -> None:
    findings = [*_versions(), *_extras()]
    try:
        found = app_for(app, store)
        findings += _store(found)
    except Mistake as mistake:
        findings.append(Finding("app", "bad", mistake.message, mistake.hint))
    is_well = all(finding.state != "bad" for finding in findings)
    if is_json:
        said = [{"subject": f.subject, "state": f.state, "text": f.text, "advice": f.advice or None} for f in findings]
        output.put_json({"ok": is_well, "findings": said})
    else:
        for finding in findings:
            _put(finding)
        output.put("Everything is in order." if is_well else "Something is broken, see above.")
    if not is_well:
        raise typer.Exit(FAILED)


def _put(finding: Finding) -> None:
    mark: Any = MARKS[finding.state] if output.is_terminal() and output.can_draw() else PLAIN_MARKS[finding.state]
    head = [mark, (f"{finding.subject:<12} ", "bold")]
    output.put_hanging(head, f"{finding.text}\n{finding.advice}" if finding.advice else finding.text)


def _versions() -> list[Finding]:
    findings = [
        Finding("nexus-sdk", "ok", nexus_sdk.__version__),
        Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
    ]
    for variable in ("NEXUS_STORE", "NEXUS_APP"):
        value = os.environ.get(variable)
        if value:
            findings.append(Finding(variable, "note", redact(value)))
    return findings


def _extras() -> list[Finding]:
    """One finding per extra: its packages, by what the distribution itself says."""
    packages: dict[str, list[str]] = {}
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [Finding("extras", "note", "unknown: the package runs from its source, uninstalled")]
    for requirement in requirements:
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if extra and name and extra[1] not in NOT_FOR_USERS:
            packages.setdefault(extra[1], []).append(name[0])
    return [_extra(extra, names) for extra, names in sorted(packages.items())]


def _extra(extra: str, names: list[str]) -> Finding:
    versions = {name: _version(name) for name in names}
    present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    missing = [name for name, version in versions.items() if version is None]
    if not missing:
        return Finding(f"[{extra}]", "ok", present)
    said = "not installed" if not present else f"{present}; missing: {', '.join(missing)}"
    return Finding(f"[{extra}]", "note", said, f'for it: pip install "{DISTRIBUTION}[{extra}]"' if present else "")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# --- the store --------------------------------------------------------------------------------------------------------


def _store(app: Nexus) -> list[Finding]:
    url = redact(app.store_url or DEFAULT_STORE)
    try:
        store = app.store
    except NexusError as error:
        return [Finding("store", "bad", error.message, error.hint)]
    if url.startswith("memory:"):
        return [Finding("store", "note", f"{url}: private to its process, and gone with it")]
    findings = []
    path = getattr(store, "path", None)
    if url.startswith("sqlite:"):
        findings.append(Finding("sqlite", "ok", sqlite3.sqlite_version))
    if path and not Path(path).exists():
        return [*findings, _new_file(url, Path(path))]
    try:
        number = asyncio.run(_count(app))
    except NexusError as error:
        return [*findings, Finding("store", "bad", f"{url}: {error.message}", error.hint)]
    size = f", {Path(path).stat().st_size / 1e6:.1f} MB" if path else ""
    findings.append(Finding("store", "ok", f"{url} answers: {number} instance{'' if number == 1 else 's'}{size}"))
    if path:
        findings += [_schema(), _disk(Path(path))]
    return findings


def _new_file(url: str, path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        return Finding("store", "bad", f"{url}: the folder {folder} does not exist", "Make it, or correct the URL.")
    if not os.access(folder, os.W_OK):
        return Finding("store", "bad", f"{url}: the folder {folder} is not writable", "Choose another place.")
    return Finding("store", "note", f"{url}: not there yet, the first run makes it")


def _disk(path: Path) -> Finding:
    """Whether the file's place takes writing, found out by a nameless file that is gone at once."""
    folder = path.parent
    if not os.access(path, os.W_OK):
        return Finding("disk", "bad", f"{path} is read-only", "Make it writable for this user, and its folder too.")
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        advice = "Free some space." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "SQLite keeps files beside it."
        return Finding("disk", "bad", f"{folder} cannot be written to: {error.strerror}", advice)
    if free < FREE_BYTES_MIN:
        return Finding("disk", "bad", f"only {free / 1e6:.1f} MB are free in {folder}", "Free some space.")
    return Finding("disk", "ok", f"{folder} is writable, {free / 1e9:.1f} GB free")


def _schema() -> Finding:
    from nexus_sdk.store.sqlite.schema import VERSION

    return Finding("schema", "ok", f"version {VERSION}, which is this release's")


async def _count(app: Nexus) -> int:
    try:
        return await app.store.count(Query())
    finally:
        await app.store.close()
