"""What the services refuse, and what we therefore do not ask for. The one rule: a limit is kept here, not met there.

Emulators accept much of what the services refuse. Sizes are bytes.
"""

from __future__ import annotations

ITEM_BYTES_MAX = 409_600
"""An item of DynamoDB with its keys and the names of its attributes."""

ROW_BYTES_MAX = 390_000
"""The data of a row; larger data lies in the bucket. Keys and names have what is left of the item."""

TRANSACTION_BYTES_MAX = 3_600_000
"""The data of all rows of one write; a transaction of DynamoDB has 4 MB for items, keys and conditions."""

TRANSACTION_ROWS_MAX = 100
"""Rows of one write."""

GET_ROWS_MAX = 100
"""Rows of one BatchGetItem."""

DELETE_ROWS_MAX = 25
"""Rows of one BatchWriteItem."""

MESSAGE_BYTES_MAX = 262_144
"""A message of SQS, and all messages of a batch together."""

BATCH_MESSAGES_MAX = 10
"""Messages of one request of SQS."""

DELAY_SECONDS_MAX = 900
"""How long SQS delays a message. What falls due later is found by the sweep."""

VISIBILITY_SECONDS_MAX = 43_200
"""How long SQS hides a message that was received."""

LISTEN_SECONDS = 20
"""How long SQS lets somebody wait for a message."""

RETENTION_SECONDS = 1_209_600
"""How long SQS keeps a message: two weeks, the longest there is. What it stood for is in the table, and stays."""

RECEIVES_MAX = 20
"""A message that was received so often is a dead letter."""

PAYLOAD_BYTES_MAX = 48_000
"""Larger payloads lie in the bucket: there they cost less than in a write."""

COMMIT_BYTES_MAX = 4_000_000
"""A batch of one commit; it lies in the bucket when it is too large for a row."""

RESPONSE_BYTES_MAX = 6_000_000
"""What a function answers, as JSON."""
