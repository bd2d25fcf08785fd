"""Lint, from targets to a report."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence

from nexus_sdk.errors import InvalidArgument
from nexus_sdk.lint.checks import check, check_activity
from nexus_sdk.lint.finding import UNREADABLE, Finding, Report
from nexus_sdk.lint.project import Project
from nexus_sdk.lint.reach import Code, functions_of, workflow_code
from nexus_sdk.lint.resolver import Resolver
from nexus_sdk.lint.rules import RULES
from nexus_sdk.lint.source import Unreadable
from nexus_sdk.lint.suppressions import settle


def lint(targets: Sequence[str], *, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> Report:
    """Find what would not replay. Files are read and parsed; nothing is imported or run.

    Args:
        targets: files, folders, or dotted modules found from the current folder.
        select: codes, or beginnings of codes (``NXL1``), that alone are looked for; all by default.
        ignore: codes, or beginnings, that are not looked for.

    Raises:
        InvalidArgument: a target or a code does not exist.
    """
    selected = selected_codes(select, ignore)
    project = Project(targets)
    resolver = Resolver(project)
    findings: dict[str, set[Finding]] = defaultdict(set)
    reached = workflow_code(project, resolver)
    for code in reached:
        findings[code.source.shown].update(check(code))
    inside: set[ast.AST] = {code.node for code in reached}
    for source in project.given:
        for function in functions_of(source, resolver, "activity"):
            findings[source.shown].update(check_activity(Code(function, "", resolver, inside)))
    kept = [unreadable(shown, problem) for shown, problem in project.unreadable]
    for source in project.given:
        chosen = [finding for finding in findings[source.shown] if finding.code in selected]
        kept += [one for one in settle(source, chosen, selected) if one.code in selected]
    kept.sort(key=lambda finding: (finding.path, finding.line, finding.column, finding.code))
    workflows = [code.workflow for code in reached if code.is_workflow]
    return Report(kept, len(project.given) + len(project.unreadable), workflows)


def selected_codes(select: Iterable[str], ignore: Iterable[str]) -> frozenset[str]:
    """The codes to look for.

    Raises:
        InvalidArgument: one begins no code.
    """
    chosen = _expanded(select) or set(RULES)
    return frozenset((chosen - _expanded(ignore)) | {UNREADABLE})


def unreadable(shown: str, problem: Unreadable) -> Finding:
    """A file that cannot be read, as a finding."""
    rule = RULES[UNREADABLE]
    line, column = problem.line, problem.column
    return Finding(
        shown, line, column, line, column, UNREADABLE, "this file", f"{rule.reason}: {problem}", rule.replacement
    )


def _expanded(beginnings: Iterable[str]) -> set[str]:
    codes: set[str] = set()
    for beginning in beginnings:
        found = {code for code in RULES if code.startswith(beginning.upper())} if beginning else set()
        if not found:
            raise InvalidArgument(
                f"nexus lint: no rule is called {beginning!r}.",
                hint=f"Codes are {min(RULES)} to {max(RULES)}; NXL1 stands for all that begin so.",
            )
        codes |= found
    return codes
