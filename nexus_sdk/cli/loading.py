"""From ``MODULE:NAME`` to what it names. The one rule: an error in the user's module is shown as the user's.

MODULE is a dotted module (the current directory counts) or the path of a file.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from nexus_sdk.app import Nexus
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.registry import near
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.errors import DefinitionError, NexusError

T = TypeVar("T")

TRACEBACK_FRAMES_MAX = 6


@dataclass(frozen=True)
class Target:
    """A workflow, and the app that serves it."""

    app: Nexus
    workflow: Workflow[Any, Any]


def find_workflow(spec: str, store: str | None, app_spec: str | None = None) -> Target:
    """What ``MODULE:WORKFLOW`` names, with the app that its module defines, or one of everything found in it.

    Without a colon: the only workflow of the module, or a workflow of the app `app_spec`.

    Raises:
        Mistake: there is no such thing.
    """
    module_spec, name = _split(spec)
    if not name and app_spec and not _is_module(module_spec):
        app = find_app(app_spec, store)
        return Target(app, _told(lambda: app.registry.latest(module_spec)))
    module = load_module(module_spec)
    workflow = _workflow_in(module, module_spec, name)
    apps = _apps_in(module)
    serving = [app for app in apps.values() if app.registry.workflow(workflow.name, workflow.version) is workflow]
    if apps and not serving:
        raise Mistake(
            f"{module_spec} defines the app {' and '.join(map(repr, apps))}, which does not serve {workflow.name!r}.",
            hint=f"Add it: Nexus(…, workflows=[{workflow.__name__}, …]).",
        )
    app = serving[0] if serving else _app_of(module)
    return Target(_with_store(app, store), workflow)


def find_app(spec: str, store: str | None) -> Nexus:
    """What ``MODULE[:APP]`` names; without APP the module's only app, or one of everything found in it.

    Raises:
        Mistake: there is no such thing.
    """
    module_spec, name = _split(spec)
    module = load_module(module_spec)
    apps = _apps_in(module)
    if name:
        if name not in apps:
            raise Mistake(f"{module_spec} has no app called {name!r}.", hint=_apps_hint(name, apps, module_spec))
        return _with_store(apps[name], store)
    if len(apps) > 1 and "app" not in apps:
        raise Mistake(
            f"{module_spec} defines several apps: {', '.join(sorted(apps))}.",
            hint=f"Name one: {module_spec}:{sorted(apps)[0]}.",
        )
    found = apps.get("app") or next(iter(apps.values()), None)
    return _with_store(found or _app_of(module), store)


def load_module(spec: str) -> ModuleType:
    """Import a module by its dotted name or its path. The current directory comes first.

    Raises:
        Mistake: there is none, or it cannot be imported; with its own traceback.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    name = _name_of_file(spec) if spec.endswith(".py") or os.sep in spec else spec
    try:
        return import_module(name)
    except NexusError as error:
        raise _from_module(spec, error, f"{spec} cannot be used: {error.message}", error.hint, error.code) from error
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise Mistake(f"There is no module {missing!r} here ({here}).", hint=_modules_hint(missing, here)) from None
        raise _from_module(spec, error, f"{spec} imports {missing!r}, which is not installed here.", "") from error
    except (Exception, SystemExit) as error:  # whatever a user's module may raise
        raise _from_module(spec, error, f"{spec} cannot be imported: {type(error).__name__}.", "") from error


# --- modules ----------------------------------------------------------------------------------------------------------


def _split(spec: str) -> tuple[str, str]:
    head, separator, tail = spec.rpartition(":")
    if not separator or os.sep in tail:
        return spec, ""
    if not head:
        raise Mistake(f"{spec!r} names no module.", hint=f"For example: orders:{tail or 'fulfil'}, or path/orders.py:…")
    return head, tail


def _name_of_file(spec: str) -> str:
    """The dotted name of a file, with the folder it is imported from put on the path."""
    path = Path(spec).resolve()
    if not path.is_file():
        raise Mistake(f"There is no file {spec}.", hint=_modules_hint(path.stem, str(path.parent)))
    parts, root = [path.stem], path.parent
    while (root / "__init__.py").is_file():
        parts, root = [root.name, *parts], root.parent
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    name = ".".join(parts)
    found = _found(name)
    if found is not None and Path(found).resolve() != path:
        raise Mistake(f"{spec} would be imported as {name!r}, which is the name of {found}.", hint="Rename the file.")
    return name


def _found(name: str) -> str | None:
    """The file that a name would be imported from; None where there is none yet."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__file__", None) or f"a built-in module, {name!r}"
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # a package's own __init__ fails: the import will tell
        return None
    return spec.origin if spec is not None else None


def _is_module(spec: str) -> bool:
    return spec.endswith(".py") or os.sep in spec or _found(spec) is not None


def _modules_hint(missing: str, folder: str) -> str:
    files = [file for file in Path(folder).glob("*.py") if not file.name.startswith("_")] if folder else []
    names = [file.stem for file in files if "test" not in file.stem]
    if not names:
        return "Run it from the folder that the module is in, or name the file: path/to/file.py:workflow"
    return near(missing.rpartition(".")[2], names)


def _from_module(spec: str, error: BaseException, message: str, hint: str, code: str | None = None) -> Mistake:
    hint = hint or "The error is in that module, or in what it imports."
    return Mistake(message, hint=hint, evidence=_shown(error), code=code)


def _shown(error: BaseException) -> str:
    """The last frames of the user's own code, without the import machinery and without ours."""
    ours = str(Path(__file__).parent.parent)
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(("<frozen", ours)) and "importlib" not in frame.f_code.co_filename
    ]
    lines = traceback.StackSummary.extract(iter(frames[-TRACEBACK_FRAMES_MAX:])).format()
    said = [] if isinstance(error, NexusError) else traceback.format_exception_only(error)
    head = ["Traceback (most recent call last):\n"] if lines else []
    return "".join([*head, *lines, *said])


# --- what is in them --------------------------------------------------------------------------------------------------


def _workflow_in(module: ModuleType, spec: str, name: str) -> Workflow[Any, Any]:
    workflows = {key: value for key, value in vars(module).items() if isinstance(value, Workflow)}
    if not name:
        if len(workflows) == 1:
            return next(iter(workflows.values()))
        known = ", ".join(f"{spec}:{key}" for key in sorted(workflows)) or "it has none"
        raise Mistake(f"Which workflow of {spec}?", hint=f"Name it: {known}.")
    if name in workflows:
        return workflows[name]
    by_name = [workflow for workflow in workflows.values() if workflow.name == name]
    if by_name:
        return by_name[-1]
    there = getattr(module, name, None)
    if isinstance(there, Nexus):
        offers = sorted({key for key, _ in there.registry.workflows})
        raise Mistake(
            f"{spec}:{name} is an app, and what is run is a workflow.",
            hint=f"Name one: {spec}:{offers[0]}." if offers else "It serves no workflow.",
        )
    if isinstance(there, Activity):
        raise Mistake(f"{spec}:{name} is an activity, and what is run is a workflow.", hint=near(name, workflows))
    if there is not None:
        raise Mistake(f"{spec}:{name} is no workflow.", hint="Decorate it with @workflow.")
    raise Mistake(f"{spec} has no workflow {name!r}.", hint=near(name, workflows))


def _apps_in(module: ModuleType) -> dict[str, Nexus]:
    apps: dict[str, Nexus] = {}
    for name, value in vars(module).items():
        if isinstance(value, Nexus) and not any(value is app for app in apps.values()):
            apps[name] = value
    return apps


def _apps_hint(name: str, apps: dict[str, Nexus], spec: str) -> str:
    if apps:
        return near(name, apps)
    return f"It defines none. Leave the name out, and everything that is defined in it is meant: {spec}"


def _app_of(module: ModuleType) -> Nexus:
    return _told(lambda: Nexus.from_module(module))


def _with_store(app: Nexus, store: str | None) -> Nexus:
    """The app on another store, where one was given."""
    if store is None:
        return app
    registry = app.registry
    return Nexus(
        store,
        workflows=registry.workflows.values(),
        activities=registry.activities.values(),
        codec=app.codec,
        environment=app.environment,
        history_limits=app.history_limits,
    )


def _told(find: Callable[[], T]) -> T:
    try:
        return find()
    except DefinitionError as error:
        raise Mistake(error.message, hint=error.hint, code=error.code) from None
