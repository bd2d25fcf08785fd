"""Values, failures and histories to bytes and back. The one rule: a byte that is written stays readable.

- `values`: a user's values to payloads.
- `failures`: exceptions to data.
- `wire`: batches, messages and requests to their stable form; `wire_json` shows them to people.

Nothing is imported here, so that a cold start pays only for what it uses.
"""
