"""`nexus lint`: what would not replay, before it is deployed. Nothing is imported, no store is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.cells import cell_len

import nexus_sdk
from nexus_sdk.cli import output
from nexus_sdk.cli.mistakes import FAILED, USAGE, Mistake, told
from nexus_sdk.lint import Finding, Report
from nexus_sdk.lint import lint as find
from nexus_sdk.lint.formats import as_json, as_sarif
from nexus_sdk.lint.rules import Severity

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


@told
def lint(
    targets: Annotated[list[str], typer.Argument(metavar="MODULE...", help="Modules, files or folders.")],
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Only these codes, e.g. NXL101, or NXL1 for all that begin so.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="All but these codes.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="SARIF 2.1.0, for code scanners.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON for machines.")] = False,
) -> None:
    """Find what would not replay in workflows and their helpers. Exit code 1 when there are errors."""
    if sarif and json:
        raise Mistake("--json and --sarif are two forms of one answer.", hint="Leave one of them out.")
    report = find(targets, select=_codes(select), ignore=_codes(ignore))
    if sarif:
        output.put_json(as_sarif(report, nexus_sdk.__version__))
    elif json:
        output.put_json(as_json(report))
    else:
        _put(report)
    if not report.is_readable:
        raise typer.Exit(USAGE)
    if report.errors or (strict and report.warnings):
        raise typer.Exit(FAILED)


def _codes(given: Sequence[str] | None) -> list[str]:
    return [code.strip() for text in given or () for code in text.split(",")]


def _put(report: Report) -> None:
    for finding in report.findings:
        _put_finding(finding)
    if report.findings:
        output.put(f"{_count(report.errors, 'error')} and {_count(report.warnings, 'warning')}")
    else:
        output.put(f"Nothing found: {_count(len(report.workflows), 'workflow')} in {_count(report.files, 'file')}.")


def _put_finding(finding: Finding) -> None:
    place = f"{finding.path}:{finding.line}:{finding.column}: "
    output.put(_shown(place), (finding.code, COLOURS[finding.rule.severity]), f" {_shown(finding.message)}")
    number, source = str(finding.line), _shown(finding.source)
    margin = " " * len(number)
    if source.strip():
        output.put((f"{margin} |", "dim"))
        output.put((f"{number} | ", "dim"), source)
        output.put((f"{margin} | ", "dim"), (_carets(finding, source), COLOURS[finding.rule.severity]))
    reached = f"  (in workflow {finding.workflow})" if finding.workflow else ""
    output.put((f"{margin} = ", "dim"), f"instead: {_shown(finding.replacement)}", (reached, "dim"))
    output.put("")


def _carets(finding: Finding, source: str) -> str:
    """The line that marks what is meant, as wide as what it marks; tabs stay tabs."""
    start = finding.column - 1
    end = finding.end_column - 1 if finding.end_line == finding.line else len(source)
    before = "".join(letter if letter == "\t" else " " * cell_len(letter) for letter in source[:start])
    return before + "^" * max(cell_len(source[start:end]), 1)


def _shown(text: str) -> str:
    """A text of a user's file, harmless to a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
