"""From the options of a command to an app whose store can be asked. The one rule: looking never makes a store."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from nexus_sdk.app import DEFAULT_STORE, Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.completing import complete_id
from nexus_sdk.cli.loading import find_app
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.client.client import Client
from nexus_sdk.errors import StoreError
from nexus_sdk.store.open import redact

T = TypeVar("T")

StoreOption = Annotated[
    str | None, typer.Option("--store", envvar="NEXUS_STORE", help=f"Store URL; the app's own or {DEFAULT_STORE}.")
]
AppOption = Annotated[
    str | None, typer.Option("--app", envvar="NEXUS_APP", help="MODULE[:APP] whose store, codec and code are used.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The instance.", autocompletion=complete_id)]


def checked(app: Nexus, *, may_make: bool, is_alone: bool = False) -> Nexus:
    """The app, if its store makes sense for the command.

    Args:
        may_make: whether a database that is not there yet is made.
        is_alone: whether this process is all there is, so that a private store will do.

    Raises:
        Mistake: it does not.
    """
    try:
        store = app.store
    except StoreError as error:
        raise Mistake(error.message, hint=error.hint, code=error.code) from None
    url = app.store_url or ""
    if url.startswith("memory:") and not is_alone:
        raise Mistake(
            "A memory:// store is private to its process: no other one can look into it.",
            hint="Name a store that is shared: --store sqlite:///nexus.db, or NEXUS_STORE.",
        )
    path = getattr(store, "path", None)
    if url.startswith("sqlite:") and path and not may_make and not Path(path).exists():
        raise Mistake(
            f"There is no store at {redact(url)} ({path}).",
            hint="Go to the folder it is in, or name it: --store, or NEXUS_STORE. `nexus run` and `start` make it.",
        )
    return app


def app_for(app_spec: str | None, store: str | None) -> Nexus:
    """The app whose store is asked: the one that was named, or a bare one on the store."""
    return find_app(app_spec, store) if app_spec else Nexus(store)


def ask(app: Nexus, question: Callable[[Client], Awaitable[T]]) -> T:
    """Ask the app's store something, and close it."""

    async def asked() -> T:
        try:
            return await question(app.client())
        finally:
            await app.store.close()

    return asyncio.run(asked())


def continuing(*words: str, id: str | None = None, store: str | None) -> str:
    """A command that goes on from here, as it is typed.

    Args:
        id: the instance it is about, as its argument.
    """
    named = () if store is None or os.environ.get("NEXUS_STORE") == store or redact(store) != store else (store,)
    options = [word for url in named for word in ("--store", url)]
    if id is None:
        return shlex.join(["nexus", *words, *options])
    about = [*options, "--", id] if id.startswith("-") else [id, *options]  # an id may look like an option
    return shlex.join(["nexus", *words, *about])


async def tell_unread(client: Client, id: str) -> None:
    """Say it when values of an instance need the codec of an app that was not named."""
    if not client.codec.can_read((await client.store.find(id)).encoding):
        output.say(("Its values need the codec of its app: add --app MODULE.", "dim"))
