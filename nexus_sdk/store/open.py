"""From a store URL to a store. The one rule: opening does no I/O, and a password in a URL is never repeated.

memory and sqlite are built in, and the providers of this distribution are asked for by name; every other scheme is
looked up among the installed providers (entry points of the group `nexus_sdk.providers`, named like the scheme; the
value is an `OpenStore`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from urllib.parse import parse_qsl, unquote, urlsplit

from nexus_sdk.errors import ProviderMissing, StoreError
from nexus_sdk.store.port import Store

GROUP = "nexus_sdk.providers"
"""The entry-point group of providers."""

_SHIPPED: Mapping[str, str] = {"dynamodb": "nexus_aws"}
"""The modules whose `open_store` serves a scheme, of this distribution: their entry points are known. To look those up
is to read what is said of each installed package, and a function that starts cold has no time for that.
"""

_EXTRAS: Mapping[str, str] = {"dynamodb": "aws"}
"""Which extra brings what the provider of a scheme needs."""

_PLANNED = frozenset({"postgresql", "postgres", "azure", "firestore"})
"""Schemes that a later release will serve."""

_EXAMPLES = "For example: memory://, sqlite:///orders.db, sqlite:////var/lib/orders.db, dynamodb://orders."


def open_store(url: str) -> Store:
    """The store that a URL names. Nothing is connected or made before the first verb.

    ``memory://`` · ``memory://?profile=split`` · ``sqlite:///relative.db`` · ``sqlite:////absolute/path.db``
    (options: ``synchronous=full|normal``, ``busy_seconds=5``) · or any scheme that an installed provider serves.

    ``synchronous=normal`` writes faster and risks that an operating system crash or a power loss takes the last
    acknowledged commits with it. The end of the process, however violent, loses nothing either way.

    Raises:
        StoreError: the URL makes no sense.
        ProviderMissing: nothing that is installed serves its scheme.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*", scheme):
        raise _malformed(url, "it does not begin with a scheme and '://'")
    open_built_in = _BUILT_IN.get(scheme.lower())
    return open_built_in(url) if open_built_in is not None else _open_provided(scheme.lower(), url)


def redact(url: str) -> str:
    """The URL without passwords, fit for messages and logs."""
    plain = re.sub(r"(://[^/?#\s]*?):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"(?i)([?&][^=&#]*(?:password|secret|token|key|sig)[^=&#]*=)[^&#]*", r"\1***", plain)


# --- built in -------------------------------------------------------------------------------------------------------


def _open_memory(url: str) -> Store:
    from nexus_sdk.store.memory import MemoryStore
    from nexus_sdk.store.split import SplitMemoryStore

    address, options = _parts(url, known={"profile", "grace"})
    if address:
        raise _malformed(url, "a memory store has no path")
    profile = options.get("profile", "transactional")
    if profile == "split":
        return SplitMemoryStore(outbox_grace_seconds=_number(url, options, "grace", 5.0))
    if profile != "transactional":
        raise _malformed(url, f"profile={profile!r} is neither 'transactional' nor 'split'")
    return MemoryStore()


def _open_sqlite(url: str) -> Store:
    from nexus_sdk.store.sqlite import SqliteStore

    address, options = _parts(url, known={"synchronous", "busy_seconds"})
    if not address.startswith("/") or address in ("/", "//"):
        raise _malformed(url, "the path comes after three slashes, an absolute one after four")
    synchronous = options.get("synchronous", "full").lower()
    if synchronous not in ("full", "normal"):
        raise _malformed(url, f"synchronous={synchronous!r} is neither 'full' nor 'normal'")
    path = unquote(address[1:])
    if path == ":memory:":
        raise _malformed(url, "a store in memory is memory://, private to its app")
    if "\0" in path:
        raise _malformed(url, "a path has no NUL character")
    busy_seconds = _number(url, options, "busy_seconds", 5.0)
    return SqliteStore(path, synchronous=synchronous.upper(), busy_seconds=busy_seconds)


_BUILT_IN: Mapping[str, Callable[[str], Store]] = {"memory": _open_memory, "sqlite": _open_sqlite}


def _parts(url: str, *, known: set[str]) -> tuple[str, dict[str, str]]:
    """What stands after '://', and the options."""
    try:
        split = urlsplit(url)
    except ValueError as error:
        raise _malformed(url, str(error)) from None
    options = dict(parse_qsl(split.query, keep_blank_values=True))
    if unknown := sorted(set(options) - known):
        raise _malformed(url, f"unknown option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return split.netloc + split.path, options


def _number(url: str, options: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(options.get(name, default))
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise _malformed(url, f"{name}={options.get(name)!r} is not a number of seconds")
    return number


def _malformed(url: str, why: str) -> StoreError:
    return StoreError(f"The store URL {redact(url)!r} makes no sense: {why}.", hint=_EXAMPLES)


# --- providers --------------------------------------------------------------------------------------------------------


def _open_provided(scheme: str, url: str) -> Store:
    try:
        open_provided = _provider_of(scheme)
    except ImportError as error:
        raise _missing(scheme, f"its provider cannot be imported ({error})") from error
    if open_provided is None:
        raise _missing(scheme, "no installed provider serves it")
    store: Store = open_provided(url)
    return store


def _provider_of(scheme: str) -> Callable[[str], Store] | None:
    """What opens the stores of a scheme; None: nothing that is installed.

    Raises:
        ImportError: something is, and cannot be loaded.
    """
    found: Callable[[str], Store]
    if scheme in _SHIPPED:
        found = import_module(_SHIPPED[scheme]).open_store
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=scheme):
        found = entry.load()
        return found
    return None


def _missing(scheme: str, why: str) -> ProviderMissing:
    if scheme in _EXTRAS:
        mend = f'pip install "nexus-sdk[{_EXTRAS[scheme]}]" brings what it needs.'
    elif scheme in _PLANNED:
        mend = "A later release will serve them."
    else:
        mend = f"Install a package with an entry point {scheme!r} in the group {GROUP!r}."
    hint = f"{mend} Served here: {', '.join(_served())}."
    return ProviderMissing(f"Store URLs of the kind {scheme}:// are not served here: {why}.", hint=hint)


def _served() -> list[str]:
    """The schemes that are served here: what is built in, and what is installed."""
    from importlib.metadata import entry_points

    return [*sorted(_BUILT_IN), *sorted({entry.name for entry in entry_points(group=GROUP)} - set(_BUILT_IN))]
