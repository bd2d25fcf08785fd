"""Modules that cannot be imported, and names that name nothing. A row's thing: files by name, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nexus_sdk import Nexus
from tests.mistakes.bench import SECRET, Bench, Python, Row, Typed

Thing = tuple[Mapping[str, str], str]

_APP = "from orders import *\nfrom nexus_sdk import Nexus\n"
_FAILS = f"TOKEN = '{SECRET}'\ndef connect(token):\n    raise ConnectionError('no database')\n"


def _asked(bench: Bench, thing: Thing) -> str:
    files, spec = thing
    for name, text in files.items():
        (bench.folder / name).parent.mkdir(exist_ok=True)
        (bench.folder / name).write_text(text)
    return spec


_RUN = Typed("run", lambda bench, thing: ("run", _asked(bench, thing), "--store", "sqlite:///fresh.db"))
_START = Typed("start", lambda bench, thing: ("start", _asked(bench, thing), "--store", "sqlite:///fresh.db"))
_WORKER = Typed("worker", lambda bench, thing: ("worker", _asked(bench, thing), "--store", "sqlite:///fresh.db"))
_QUERY = Typed("query --app", lambda bench, thing: ("query", "waiting", "progress", "--app", _asked(bench, thing)))
_MODULE = Python("from_module", lambda bench, name: Nexus.from_module(name))

_WORKFLOW = (_RUN, _START)
_APPS = (_WORKER, _QUERY)


def _row(
    name: str,
    files: Mapping[str, str],
    spec: str,
    *words: str,
    faces: Sequence[Typed] = _WORKFLOW,
    theirs: bool = False,
) -> Row:
    return Row(name, (files, spec), "NX801", words, faces, is_theirs=theirs)


def _python(name: str, module: Any, *words: str, code: str = "NX101") -> Row:
    return Row(name, module, code, words, (_MODULE,))


_ALL = (*_WORKFLOW, _WORKER, _QUERY)

ROWS = [
    _row(
        "a module with a syntax error",
        {"broken.py": "def x(:\n"},
        "broken:x",
        "cannot be imported: SyntaxError",
        "broken.py",
        theirs=True,
    ),
    _row(
        "a module that raises",
        {"broken.py": _FAILS + "connect(TOKEN)\n"},
        "broken:x",
        "ConnectionError",
        "connect(TOKEN)",
        "in that module",
        theirs=True,
    ),
    _row("a module that exits", {"broken.py": "raise SystemExit('no')\n"}, "broken:x", "SystemExit", theirs=True),
    _row(
        "a module that imports what is not installed",
        {"broken.py": "import nothing_of_this_name\n"},
        "broken:x",
        "'nothing_of_this_name', which is not installed",
        theirs=True,
    ),
    _row(
        "a module that imports a name that is not there",
        {"broken.py": "from orders import nothing\n"},
        "broken:x",
        "ImportError",
        theirs=True,
    ),
    _row(
        "a module that imports itself in a circle",
        {"broken.py": "from broken import x\n"},
        "broken:x",
        "ImportError",
        theirs=True,
    ),
    _row("a module in another encoding", {"broken.py": "# coding: nonsense\n"}, "broken:x", "SyntaxError", theirs=True),
    _row(
        "a module with a near name", {}, "order:fulfil", "no module 'order'", "Did you mean 'orders'?", faces=_ALL[:3]
    ),
    _row("a module that is nowhere", {}, "nowhere.at.all:x", "no module 'nowhere'", faces=_ALL[:3]),
    _row("a file that is nowhere", {}, "nowhere/orders.py:x", "There is no file nowhere/orders.py"),
    _row("a name without a module", {}, ":fulfil", "names no module", "orders:fulfil"),
    _row("a module without a name", {}, "orders", "Which workflow of orders?", "orders:fulfil"),
    _row(
        "a workflow of a module with a near name",
        {},
        "orders:fulfill",
        "no workflow 'fulfill'",
        "Did you mean 'fulfil'?",
    ),
    _row("an activity of a module", {}, "orders:charge", "is an activity"),
    _row("something else of a module", {}, "orders:Order", "is no workflow", "@workflow"),
    _row("a file that bears a taken name", {"json.py": "from orders import *\n"}, "json.py:fulfil", "Rename the file"),
    _row(
        "an app where a workflow is meant",
        {"shop.py": _APP + "app = Nexus(workflows=[keep])\n"},
        "shop:app",
        "is an app",
        "shop:keep",
    ),
    _row(
        "a workflow that the module's app does not serve",
        {"shop.py": _APP + "app = Nexus(workflows=[keep])\n"},
        "shop:fulfil",
        "does not serve 'fulfil'",
        "Add it",
    ),
    _row(
        "one of several apps",
        {"shop.py": _APP + "one = Nexus(workflows=[keep])\ntwo = Nexus(workflows=[keep])\n"},
        "shop",
        "several apps: one, two",
        "shop:one",
        faces=_APPS,
    ),
    _row(
        "an app with a near name",
        {"shop.py": _APP + "main = Nexus(workflows=[keep])\n"},
        "shop:mian",
        "no app called 'mian'",
        "Did you mean 'main'?",
        faces=_APPS,
    ),
    Row(
        "a module without any definition",
        ({"empty.py": "x = 1\n"}, "empty"),
        "NX101",
        ("no workflow and no activity", "@workflow"),
        _APPS,
    ),
    _python("the name of no module", "nowhere_at_all", "no module 'nowhere_at_all'", "the folder"),
    _python("the name of a module without definitions", "json", "'json' has no workflow"),
    _python("an empty name of a module", "", "1 to 256 characters", code="NX321"),
    _python("a relative name of a module", ".orders", "relative to nothing"),
    _python("a number for a module", 5, "takes a module or its name, got 5"),
]
