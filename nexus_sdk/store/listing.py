"""Matching and paging of records, where a store does it itself. The one rule: pages are stable under inserts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nexus_sdk.core.shown import shown
from nexus_sdk.errors import InvalidCursor
from nexus_sdk.store.port import InstanceRecord, Query, RecordPage

_CURSOR = re.compile(r"(-?[0-9]{1,18}):(.+)")

Position = tuple[int, str]
"""`created_us` and id of the last record of a page."""


def position_of(record: InstanceRecord) -> Position:
    """Where the record stands in a list."""
    return (record.created_us, record.id)


def to_cursor(position: Position) -> str:
    """The opaque text of a position."""
    return f"{position[0]}:{position[1]}"


def from_cursor(cursor: str) -> Position:
    """The position that a cursor names.

    Raises:
        InvalidCursor: it is none of ours.
    """
    found = _CURSOR.fullmatch(cursor)
    if found is None or not found[2].isprintable():
        raise InvalidCursor(
            f"{shown(cursor)} is not a cursor.", hint="Pass the cursor of the last page as it is, or none."
        )
    return (int(found[1]), found[2])


def has_value(record: InstanceRecord, name: str, value: str | int | float | bool) -> bool:
    """Whether the attribute is there and equal. A bool equals only a bool; numbers compare by value."""
    found = record.attributes.get(name)
    return found is not None and isinstance(found, bool) == isinstance(value, bool) and found == value


def matches(record: InstanceRecord, query: Query) -> bool:
    """Whether a record is one of those asked for. The bounds of `created` are exclusive above, inclusive below."""
    return (
        (not query.statuses or record.status in query.statuses)
        and (query.workflow is None or record.workflow == query.workflow)
        and (query.created_after_us is None or record.created_us >= query.created_after_us)
        and (query.created_before_us is None or record.created_us < query.created_before_us)
        and all(has_value(record, name, value) for name, value in query.attributes.items())
    )


def page_of(records: Iterable[InstanceRecord], query: Query, *, limit: int, cursor: str | None) -> RecordPage:
    """A page of those that match, newest first."""
    found = sorted((r for r in records if matches(r, query)), key=position_of, reverse=True)
    if cursor is not None:
        after = from_cursor(cursor)
        found = [record for record in found if position_of(record) < after]
    page = tuple(found[:limit])
    return RecordPage(page, to_cursor(position_of(page[-1])) if len(found) > limit and page else None)
