"""`nexus lint`: finds what would not replay, by reading the source. The one rule: no module is ever imported.

    findings = lint(["orders.py"]).findings

`project` finds and reads files, `scopes` and `resolver` say what a name means, `reach` which functions are workflow
code, `checks` what is wrong in them, `suppressions` which of that was meant. `rules` and `names` are the tables.
"""

from nexus_sdk.lint.finding import Finding as Finding
from nexus_sdk.lint.finding import Report as Report
from nexus_sdk.lint.linter import lint as lint
