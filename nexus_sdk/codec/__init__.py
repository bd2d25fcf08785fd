"""Values, failures and histories to bytes and back. The one rule: a byte that is written stays readable.

- `values`: a user's values to payloads.
- `failures`: exceptions to data.
- `chain`: links behind that: `compression`, `encryption`; `pickles` is a codec for what nothing else can say.
- `wire`: batches, messages and requests to their stable form; `wire_json` shows them to people.

Nothing is imported here, so that a cold start pays only for what it uses.
"""
