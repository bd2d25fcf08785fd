"""What lint found, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nexus_sdk.lint.rules import RULES, Rule, Severity

UNREADABLE = "NXL001"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks one rule.

    Attributes:
        path: as it was named, relative to the current folder where it lies below it.
        line, column, end_line, end_column: from 1 on, in characters; the end is exclusive.
        subject: what stands there, e.g. ``datetime.now()``.
        reason, replacement: those of the rule, or more precise ones.
        workflow: the name of the workflow function that comes here; empty where none does.
        source: the text of the line.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    subject: str
    reason: str
    replacement: str
    workflow: str = ""
    source: str = ""

    @property
    def rule(self) -> Rule:
        """The rule that is broken."""
        return RULES[self.code]

    @property
    def message(self) -> str:
        """Subject and reason in one line."""
        return f"{self.subject}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, by file and line; how many files were read, and which workflows were found in them."""

    findings: Sequence[Finding]
    files: int
    workflows: Sequence[str] = field(default=())

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.rule.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return len(self.findings) - self.errors

    @property
    def is_readable(self) -> bool:
        """Whether every file could be read as Python."""
        return all(finding.code != UNREADABLE for finding in self.findings)
