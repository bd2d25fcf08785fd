"""The tables, and how an older file becomes a present one. The one rule: a migration, once released, never changes.

Times are microseconds. `instances.due_us` is when the turn may be delivered: 0 when a message waits, the end of the
lease while it is leased, NULL when there is nothing to do; it is computed from the other columns at every write.
`tasks.is_waiting` divides those that may be delivered (ordered by priority and age) from those that fall due later
(delayed, or leased); `receive` moves them over. `batches` lie in the order in which they were written: those of one
commit side by side, whosesoever they are, so that each commit writes few pages; an index finds those of an instance.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        """CREATE TABLE instances (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            run_id TEXT NOT NULL,
            status TEXT NOT NULL,
            workflow TEXT NOT NULL,
            created_us INTEGER NOT NULL,
            last_batch INTEGER NOT NULL,
            request_id TEXT NOT NULL,
            wake_at_us INTEGER,
            held_through INTEGER,
            pending INTEGER NOT NULL,
            last_number INTEGER NOT NULL,
            accepted_us INTEGER NOT NULL,
            oldest_us INTEGER,
            token TEXT,
            until_us INTEGER,
            peer TEXT,
            due_us INTEGER,
            age_us INTEGER,
            attributes BLOB,
            record BLOB NOT NULL
        )""",
        "CREATE INDEX instances_due ON instances (due_us, age_us) WHERE due_us IS NOT NULL",
        "CREATE INDEX instances_created ON instances (created_us, id)",
        "CREATE INDEX instances_status ON instances (status, created_us, id)",
        "CREATE INDEX instances_workflow ON instances (workflow, created_us, id)",
        "CREATE INDEX instances_peer ON instances (peer) WHERE peer IS NOT NULL",
        """CREATE TABLE attributes (
            name TEXT NOT NULL, value TEXT NOT NULL, instance_id TEXT NOT NULL,
            PRIMARY KEY (instance_id, name)
        ) WITHOUT ROWID""",
        "CREATE INDEX attributes_value ON attributes (name, value)",
        """CREATE TABLE batches (
            instance_id TEXT NOT NULL, run_id TEXT NOT NULL, number INTEGER NOT NULL, turn_id TEXT NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (instance_id, run_id, number)
        ) WITHOUT ROWID""",
        """CREATE TABLE inbox (
            instance_id TEXT NOT NULL, message_id TEXT NOT NULL, number INTEGER NOT NULL, accepted_us INTEGER NOT NULL,
            is_remembered INTEGER NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (instance_id, message_id)
        ) WITHOUT ROWID""",
        """CREATE TABLE remembered (
            instance_id TEXT NOT NULL, message_id TEXT NOT NULL,
            PRIMARY KEY (instance_id, message_id)
        ) WITHOUT ROWID""",
        """CREATE TABLE tasks (
            seq INTEGER PRIMARY KEY,
            instance_id TEXT NOT NULL,
            id TEXT NOT NULL,
            queue TEXT NOT NULL,
            run_id TEXT NOT NULL,
            priority INTEGER NOT NULL,
            not_before_us INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            deliveries INTEGER NOT NULL,
            is_cancel_requested INTEGER NOT NULL,
            token TEXT,
            peer TEXT,
            is_waiting INTEGER NOT NULL,
            due_us INTEGER NOT NULL,
            details BLOB,
            body BLOB NOT NULL,
            UNIQUE (instance_id, id)
        )""",
        "CREATE INDEX tasks_ready ON tasks (queue, priority DESC, seq) WHERE is_waiting = 0",
        "CREATE INDEX tasks_waiting ON tasks (queue, due_us, peer) WHERE is_waiting = 1",
        """CREATE TABLE tombstones (
            instance_id TEXT NOT NULL, request_id TEXT NOT NULL, until_us INTEGER NOT NULL,
            PRIMARY KEY (instance_id, request_id)
        ) WITHOUT ROWID""",
        "CREATE TABLE peers (id TEXT PRIMARY KEY, address TEXT NOT NULL, pid INTEGER NOT NULL) WITHOUT ROWID",
    ),
    (
        """CREATE TABLE blobs (
            instance_id TEXT NOT NULL, digest BLOB NOT NULL, put_us INTEGER NOT NULL, data BLOB NOT NULL,
            UNIQUE (instance_id, digest)
        )""",
    ),
    (
        """CREATE TABLE appended (
            seq INTEGER PRIMARY KEY,
            instance_id TEXT NOT NULL, run_id TEXT NOT NULL, number INTEGER NOT NULL, turn_id TEXT NOT NULL,
            data BLOB NOT NULL,
            UNIQUE (instance_id, run_id, number)
        )""",
        """INSERT INTO appended (instance_id, run_id, number, turn_id, data)
            SELECT instance_id, run_id, number, turn_id, data FROM batches ORDER BY instance_id, run_id, number""",
        "DROP TABLE batches",
        "ALTER TABLE appended RENAME TO batches",
    ),
)
"""The statements that lead from each version to the next; the schema version is how many were applied."""

VERSION = len(MIGRATIONS)
"""The schema version that this code works with."""
