"""For the site: of a function with several signatures one is shown, the one with all the options by name."""

from __future__ import annotations

from typing import Any

import griffe


class OneSignature(griffe.Extension):
    """Leaves the implementation's signature, or the last overload's where the implementation says `**options`."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """See `griffe.Extension.on_package`."""
        _prune(pkg)


def _prune(parent: griffe.Module | griffe.Class) -> None:
    for member in parent.members.values():
        if isinstance(member, griffe.Function) and member.overloads:
            if any(parameter.kind is griffe.ParameterKind.var_keyword for parameter in member.parameters):
                member.parameters, member.returns = member.overloads[-1].parameters, member.overloads[-1].returns
            member.overloads = None
        elif isinstance(member, griffe.Module | griffe.Class):
            _prune(member)
