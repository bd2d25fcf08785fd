"""A report for machines: JSON of our own, and SARIF 2.1.0 for code scanners and editors. Both are plain data."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nexus_sdk.lint.finding import UNREADABLE, Finding, Report
from nexus_sdk.lint.rules import RULES, Rule

JSON_FORMAT = 1
"""The number of the JSON form; it grows when a reader must know."""

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_json(report: Report) -> dict[str, Any]:
    """The report as data: ``{"format", "files", "workflows", "errors", "warnings", "findings": […]}``."""
    return {
        "format": JSON_FORMAT,
        "files": report.files,
        "workflows": list(report.workflows),
        "errors": report.errors,
        "warnings": report.warnings,
        "findings": [_finding(finding) for finding in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "code": finding.code,
        "rule": finding.rule.name,
        "severity": finding.rule.severity.value,
        "subject": finding.subject,
        "reason": finding.reason,
        "replacement": finding.replacement,
        "workflow": finding.workflow or None,
    }


def as_sarif(report: Report, version: str) -> dict[str, Any]:
    """The report as a SARIF log with one run. `version`: of the package."""
    codes = list(RULES)
    driver = {
        "name": "nexus lint",
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    results = [_result(finding, codes) for finding in report.findings if finding.code != UNREADABLE]
    notes = [_notification(finding) for finding in report.findings if finding.code == UNREADABLE]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": report.is_readable, "toolExecutionNotifications": notes}],
        "results": results,
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    name = "".join(part.title() for part in rule.name.split("-"))
    return {
        "id": rule.code,
        "name": name,
        "shortDescription": {"text": f"{_sentence(rule.reason)}"},
        "help": {"text": f"Instead: {rule.replacement}"},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": finding.rule.severity.value,
        "message": {"text": f"{_sentence(finding.message)} Instead: {finding.replacement}"},
        "locations": [_location(finding)],
    }


def _notification(finding: Finding) -> dict[str, Any]:
    return {
        "descriptor": {"id": finding.code},
        "level": "error",
        "message": {"text": _sentence(finding.message)},
        "locations": [_location(finding)],
    }


def _location(finding: Finding) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
    scheme = "file://" if finding.path.startswith("/") else ""
    return {"physicalLocation": {"artifactLocation": {"uri": scheme + quote(finding.path)}, "region": region}}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text[0].isalpha() and " " in text.split(":")[0] else f"{text}."
