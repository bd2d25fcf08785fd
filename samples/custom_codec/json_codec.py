"""A form of your own: the workflow of `custom_codec`, with its values as JSON, which every language reads.

$ nexus run json_codec:split_bill --input '{"total": {"cents": 10000, "currency": "EUR"}, "guests": ["Ada", "Bob"]}'
"""

import json
from typing import Any

from custom_codec import MONEY, Money, collect, divide, split_bill

from nexus_sdk import Nexus
from nexus_sdk.codec import ValueCodec


class JsonCodec(ValueCodec):
    """Values as JSON, money as ``{"$money": [cents, currency]}``."""

    name = "shop-json"  # stored beside all bytes: a form that differs needs another name

    def pack(self, value: Any) -> bytes:
        """Sorted, because the same value must give the same bytes."""
        return json.dumps(value, default=plain_of, sort_keys=True, allow_nan=False).encode()

    def unpack(self, data: bytes) -> Any:
        """Plain data will do: annotations are applied to what this gives."""
        return json.loads(data, object_hook=restored)


def plain_of(value: Any) -> Any:
    """What is written for a value that JSON has no notation for."""
    if isinstance(value, Money):
        return {"$money": MONEY.to_plain(value)}
    raise TypeError(f"JSON has no notation for {type(value).__name__}")


def restored(found: dict[str, Any]) -> Any:
    """The reverse, of each object that is read."""
    return MONEY.from_plain(found["$money"]) if found.keys() == {"$money"} else found


app = Nexus(workflows=[split_bill], activities=[divide, collect], codec=JsonCodec())
