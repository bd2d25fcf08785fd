"""How bugs are planted: the code under test is changed for as long as a block runs, and is itself again afterwards.

The one rule: a bug that cannot be planted any more, because the code it changes has changed, says so at once.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FunctionType
from typing import Any
from unittest.mock import patch

Patch = tuple[Any, str, Any]
"""Whose attribute, its name, and what it is meanwhile."""

Mutant = Callable[[], Iterable[Patch]]

MUTANTS: dict[str, Mutant] = {}
"""The bugs, by name; filled by `mutants`."""


class AnchorGone(LookupError):
    """The code that a bug would change is not there, or more than once: write the bug anew."""


def mutant(make: Mutant) -> Mutant:
    """Register a bug under the name of its function."""
    MUTANTS[make.__name__.replace("_", " ")] = make
    return make


def edited(owner: Any, name: str, old: str, new: str) -> Patch:
    """A function as its source would be with `new` in the one place where it says `old`.

    Raises:
        AnchorGone: it does not say so, or it says so more than once.
    """
    function = inspect.unwrap(getattr(owner, name))
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        where = f"{function.__module__}.{function.__qualname__}"
        raise AnchorGone(f"{where} says {old!r} {source.count(old)} times, not once")
    code = compile(source.replace(old, new), f"<{name}, edited>", "exec")
    made: dict[str, Any] = {}
    exec(code, function.__globals__, made)
    return owner, name, made[function.__name__]


@contextmanager
def planted(name: str) -> Iterator[Counter[str]]:
    """With this bug in the code. How often the changed functions were called, so far: a bug that nobody meets is none.

    Raises:
        AnchorGone, AttributeError: what it changes is no longer there.
    """
    calls: Counter[str] = Counter()
    patches = [
        patch.object(owner, attribute, _counted(new, attribute, calls)) for owner, attribute, new in MUTANTS[name]()
    ]
    for one in patches:
        one.start()
    try:
        yield calls
    finally:
        for one in reversed(patches):
            one.stop()


def _counted(new: Any, name: str, calls: Counter[str]) -> Any:
    if not isinstance(new, FunctionType):
        return new

    @wraps(new)
    def count(*args: Any, **named: Any) -> Any:
        calls[name] += 1
        return new(*args, **named)

    return count
