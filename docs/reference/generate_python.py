"""Writes the reference of Python names from the docstrings: `make reference`.

`python.md` lists every public name with its summary and reads well anywhere. The pages in `python/` say where each
name stands in full: the site puts signature and docstring there. The one rule: what is said about a name is said in
its docstring; here stands only where it belongs.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, get_overloads

import nexus_sdk

HERE = Path(__file__).parent

INTRO = """# Python names

Everything that `from nexus_sdk import …` gives, the tools for tests, and the store port. Each name leads to its
parameters and errors; `help(nexus_sdk.Retry)` says the same. Importing `nexus_sdk` is cheap: each name is loaded when
it is first used. `nexus_sdk.__version__` is the version.

<!-- Written by generate_python.py from the docstrings: `make reference`. -->
"""

PAGE_NOTE = "<!-- Written by generate_python.py: `make reference`. The site puts the docstrings here. -->"


@dataclass(frozen=True, slots=True)
class Entry:
    """A public name. `path`: where it is imported from.

    `members`: those that users meet, where that is not all of them. `is_opened`: the overview lists the members too.
    """

    path: str
    members: tuple[str, ...] | None = None
    is_opened: bool = False

    @property
    def name(self) -> str:
        """The name alone."""
        return self.path.rpartition(".")[2]

    @property
    def value(self) -> Any:
        """What the name stands for."""
        module, _, name = self.path.rpartition(".")
        return getattr(import_module(module), name)


@dataclass(frozen=True, slots=True)
class Group:
    """A page of names that belong together."""

    page: str
    title: str
    intro: str
    entries: tuple[Entry, ...]


OPENED = frozenset({"Context", "Nexus", "Client", "Handle", "WorkflowEnvironment", "Store"})

MEMBERS = {
    "Workflow": ("options",),
    "Activity": ("options",),
    "Operation": (),
    "Completion": (),
    "MsgpackCodec": (),
    "CodecChain": (),
    "Compression": (),
    "Encryption": (),
    "CloudpickleCodec": (),
    "Saga": ("add",),
    "Spawned": ("cancel", "is_done"),
    "Retry": (),
    "HistoryLimits": (),
    "FakeClock": ("now_us", "jump_to"),
    "ProviderSuite": ("store_factory", "fresh_store"),
}
"""What users meet of classes that have public parts for the engine."""

GIVEN = frozenset(
    [
        *("Workflow", "Activity", "Context", "HistorySize", "Operation", "Completion", "Saga", "Spawned"),
        *("Client", "Handle", "Page", "History", "EnvironmentHandle", "SyncEnvironment"),
        *("ActivityFailed", "ChildWorkflowFailed", "CompensationFailed"),
        *("WorkflowFailed", "WorkflowCancelled", "WorkflowTerminated"),
    ]
)
"""Classes that users get and never make: how they are made is not shown."""


def _entries(module: str, names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"{module}.{name}", MEMBERS.get(name), name in OPENED) for name in names.split())


def _exceptions() -> tuple[Entry, ...]:
    """All public exceptions by their codes; the one that has none comes last."""
    public = {name: getattr(nexus_sdk, name) for name in nexus_sdk.__all__}
    kinds = {name: kind for name, kind in public.items() if inspect.isclass(kind) and issubclass(kind, BaseException)}
    return _entries("nexus_sdk", " ".join(sorted(kinds, key=lambda name: getattr(kinds[name], "code", "NX999"))))


GROUPS: tuple[Group, ...] = (
    Group(
        "workflows",
        "Workflows",
        "What a workflow is made of, and what it may ask for. A *duration* is a `timedelta`, a number of seconds, or\n"
        'a text such as `"1h30m"` or `"500ms"` (units: `w d h m s ms us`).',
        (
            *_entries("nexus_sdk", "workflow Workflow Context HistorySize Completes Completion Operation Winner"),
            *_entries("nexus_sdk.core.saga", "Saga"),
            *_entries("nexus_sdk.core.operations.spawn", "Spawned"),
        ),
    ),
    Group(
        "activities",
        "Activities",
        "What touches the world, and how it is tried again.",
        _entries("nexus_sdk", "activity Activity Retry activity_info ActivityInfo heartbeat"),
    ),
    Group(
        "running",
        "Running and asking",
        "An app serves workflows; a client starts them and asks about them.",
        _entries("nexus_sdk", "Nexus HistoryLimits Client Handle InstanceStatus Status Page History"),
    ),
    Group(
        "errors",
        "Exceptions",
        "What the SDK raises. [Errors](../errors.md) has a heading for each code, with an example and how to mend it.",
        _exceptions(),
    ),
    Group(
        "testing",
        "Testing",
        "A test runs the real engine with a clock of its own: [test it without waiting](../../tutorial/testing.md).",
        _entries(
            "nexus_sdk.testing",
            "WorkflowEnvironment EnvironmentHandle SyncEnvironment assert_replays FakeClock NothingIsDue MockExhausted"
            " ClockRunsAway CrashDifference",
        ),
    ),
    Group(
        "codecs",
        "Codecs",
        "How values become bytes: `Nexus(…, codec=…)`. Without one it is `MsgpackCodec()`.",
        (
            *_entries("nexus_sdk.codec.values", "MsgpackCodec"),
            *_entries("nexus_sdk.codec.custom", "TypeCodec"),
            *_entries("nexus_sdk", "Secret"),
            *_entries("nexus_sdk.codec.chain", "CodecChain Link"),
            *_entries("nexus_sdk.codec.compression", "Compression"),
            *_entries("nexus_sdk.codec.encryption", "Encryption"),
            *_entries("nexus_sdk.codec.keys", "Keyring"),
            *_entries("nexus_sdk.codec.pickles", "CloudpickleCodec"),
        ),
    ),
    Group(
        "stores",
        "The store port",
        "For authors of providers. A provider implements `Store`, gives a function `OpenStore` to the entry-point\n"
        "group `nexus_sdk.providers`, and passes `ProviderSuite`. All times are arguments, in microseconds since the\n"
        "epoch; bodies are opaque bytes.",
        (
            *_entries(
                "nexus_sdk.store.port",
                "Store Capabilities Doorbell OpenStore InstanceRecord StoredBatch InboxMessage Task NewInstance"
                " CancelTask Send TurnDelivery TaskDelivery Delivery Lease Claim Commit Committed Received Loaded"
                " Extended Query RecordPage",
            ),
            *_entries("nexus_sdk.testing.provider_suite", "ProviderSuite"),
        ),
    ),
)


def written() -> Mapping[Path, str]:
    """The text of every page that is written here, by its path."""
    pages = {HERE / "python" / f"{group.page}.md": _page(group) for group in GROUPS}
    return {HERE / "python.md": _overview(), **pages}


def _overview() -> str:
    return "\n".join([INTRO, *(line for group in GROUPS for line in _group_lines(group))])


def _group_lines(group: Group) -> Iterator[str]:
    yield from (f"## {group.title}", "", _linked_from_above(group.intro), "", "| name | what it is |", "|---|---|")
    for entry in group.entries:
        link = f"[`{entry.name}`](python/{group.page}.md#{entry.path})"
        yield f"| {link} | {_cell(summary_of(entry))} |"
    yield ""
    for entry in group.entries:
        if entry.is_opened:
            yield from (f"### `{entry.name}`: its members", "", "| member | what it is |", "|---|---|")
            for name, member in members_of(entry.value):
                yield f"| `{name}{_parameters_text(member)}` | {_cell(first_paragraph(member.__doc__))} |"
            yield ""


def _page(group: Group) -> str:
    parts = [f"# {group.title}\n\n{group.intro}\n\n{PAGE_NOTE}\n"]
    parts += [_directive(entry) for entry in group.entries]
    return "\n".join(parts)


def _directive(entry: Entry) -> str:
    options = [] if entry.members is None else [f"members: [{', '.join(entry.members)}]"]
    options += ["merge_init_into_class: false"] if entry.name in GIVEN else []
    options += ["show_if_no_docstring: true"] if inspect.isclass(entry.value) and issubclass(entry.value, Enum) else []
    chosen = "".join(f"      {option}\n" for option in options)
    return f"::: {entry.path}\n" + (f"    options:\n{chosen}" if chosen else "")


# --- leaves -----------------------------------------------------------------------------------------------------------


def summary_of(entry: Entry) -> str:
    """The first paragraph of a name's docstring; for a type alias, of the text that follows it in its module."""
    value = entry.value
    if inspect.isclass(value) or inspect.isroutine(value):
        return first_paragraph(value.__doc__)
    package = import_module(entry.path.rpartition(".")[0])
    module = import_module(getattr(package, "_HOME_OF", {}).get(entry.name, package.__name__))
    followed = re.search(
        rf'^{entry.name}(?:: TypeAlias)? = [^\n]+\n"""(.+?)"""', inspect.getsource(module), re.M | re.S
    )
    return first_paragraph(followed[1]) if followed else ""


def first_paragraph(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def members_of(kind: type) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself, in the order of the source."""
    found = []
    for name, value in vars(kind).items():
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            found.append((name, value))
    return found


def parameters_of(member: Any) -> list[inspect.Parameter]:
    """What a caller may give, by the signature that names most: the function's own, or its last overload."""
    overloads = get_overloads(member) if inspect.isroutine(member) else []
    return max((_named(one) for one in [member, *overloads[-1:]]), key=len)


def _named(function: Any) -> list[inspect.Parameter]:
    # `**unknown` takes what the function refuses with a better word than Python's.
    parameters = inspect.signature(function).parameters.values()
    return [parameter for parameter in parameters if parameter.name not in ("self", "cls", "unknown")]


def _parameters_text(member: Any) -> str:
    if isinstance(member, property):
        return ""
    said, is_named = [], False
    for parameter in parameters_of(member):
        if parameter.kind is parameter.KEYWORD_ONLY and not is_named:
            said.append("*")
        is_named = is_named or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        said.append(f"{stars}{parameter.name}{_default_text(parameter.default)}")
    return f"({', '.join(said)})"


def _default_text(default: Any) -> str:
    if default in (inspect.Parameter.empty, ...):
        return ""
    is_literal = default is None or isinstance(default, bool | int | float | str | tuple)
    return f"={default!r}" if is_literal else "=…"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _linked_from_above(text: str) -> str:
    """Links as they are written on the pages, for the overview one folder up."""
    return re.sub(r"\]\(\.\./", "](", text)


if __name__ == "__main__":
    is_stale = False
    for path, text in written().items():
        if "--check" in sys.argv:
            is_stale |= not path.exists() or path.read_text(encoding="utf-8") != text
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if is_stale:
        sys.exit("The reference does not say what the docstrings say. Type: make reference")
