"""For the site: of a function with several signatures one is shown, the one that names most of what may be given."""

from __future__ import annotations

from typing import Any

import griffe

REFUSED = "unknown"
"""`**unknown` takes what the function refuses with a better word than Python's: it is for nobody."""


class OneSignature(griffe.Extension):
    """Leaves one signature of each function: the implementation's, or the last overload's if that names more."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """See `griffe.Extension.on_package`."""
        _prune(pkg)


def _prune(parent: griffe.Module | griffe.Class) -> None:
    for member in parent.members.values():
        if isinstance(member, griffe.Function):
            chosen = max([member, *(member.overloads or [])[-1:]], key=lambda one: len(_named(one)))
            member.parameters, member.returns, member.overloads = (
                griffe.Parameters(*_named(chosen)),
                chosen.returns,
                None,
            )
        elif isinstance(member, griffe.Module | griffe.Class):
            _prune(member)


def _named(function: griffe.Function) -> list[griffe.Parameter]:
    return [one for one in function.parameters if one.name != REFUSED]
