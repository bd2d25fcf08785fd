"""The command line: `nexus`. The one rule: typer and rich are imported here and nowhere below."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script. Exits 0: done, 1: the thing failed, 2: usage or definition error."""
    try:
        import rich  # noqa: F401  # only to see whether it is there
        import typer  # noqa: F401
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("rich", "typer"):
            raise
        print('The command line needs its extra: pip install "nexus-sdk[cli]"', file=sys.stderr)
        raise SystemExit(2) from None
    from nexus_sdk.cli.app import run

    run()
