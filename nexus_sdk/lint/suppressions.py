"""``# nexus: ignore[NXL101] reason``: what is meant. The one rule: it names codes, has a reason, and is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nexus_sdk.lint.finding import Finding
from nexus_sdk.lint.rules import RULES
from nexus_sdk.lint.source import Source

_COMMENT = re.compile(r"#\s*nexus:\s*ignore\b(?P<codes>\[[^\]]*\])?\s*(?P<reason>[^#]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment: on which line, for which codes, and whether it says why."""

    line: int
    column: int
    text: str
    codes: tuple[str, ...]
    has_reason: bool


def suppressions_of(source: Source) -> Iterator[Suppression]:
    """The suppressions of a file."""
    if "nexus:" not in source.text:
        return
    for line, column, comment in source.comments():
        for found in _COMMENT.finditer(comment):
            codes = tuple(filter(None, (code.strip().upper() for code in (found["codes"] or "[]")[1:-1].split(","))))
            yield Suppression(line, column + found.start(), found[0].rstrip(), codes, bool(found["reason"].strip()))


def settle(source: Source, findings: Iterable[Finding], is_selected: frozenset[str]) -> Iterator[Finding]:
    """The findings of a file that are not suppressed, and what is wrong with its suppressions.

    Args:
        is_selected: the codes that are looked for; a suppression of another one is not called unused.
    """
    suppressions = list(suppressions_of(source))
    effective = {(s.line, code): s for s in suppressions if s.has_reason for code in s.codes}
    used: set[tuple[int, str]] = set()
    for finding in findings:
        keys = {(finding.line, finding.code), (finding.end_line, finding.code)} & effective.keys()
        used |= keys
        if not keys:
            yield finding
    for suppression in suppressions:
        yield from _faults(source, suppression, used, is_selected)


def _faults(
    source: Source, suppression: Suppression, used: set[tuple[int, str]], is_selected: frozenset[str]
) -> Iterator[Finding]:
    if not suppression.codes or not suppression.has_reason:
        said = "nexus: ignore without a reason" if suppression.codes else "nexus: ignore without codes"
        yield _finding(source, suppression, "NXL002", said)
        return
    for code in suppression.codes:
        if code not in RULES:
            yield _finding(source, suppression, "NXL003", code)
        elif (suppression.line, code) not in used and code in is_selected:
            yield _finding(source, suppression, "NXL004", f"ignore[{code}]")


def _finding(source: Source, at: Suppression, code: str, subject: str) -> Finding:
    rule, end = RULES[code], at.column + len(at.text)
    return Finding(
        source.shown,
        at.line,
        at.column,
        at.line,
        end,
        code,
        subject,
        rule.reason,
        rule.replacement,
        source=source.line(at.line),
    )
