"""Names of a package that are loaded when they are first used: functions start cold, and few need everything."""

from __future__ import annotations

TYPE_CHECKING = False  # as in nexus_sdk/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(package: str, home_of: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package whose names live in other modules.

    Each is looked up once; from then on it is an attribute of the package, as quick as any other.

    Args:
        home_of: the module of each name.
    """

    def load(name: str) -> object:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import sys
        from importlib import import_module

        value: object = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
