"""put_blobs, get_blobs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite.builders import T0, at, finish, new


def digest_of(data: bytes) -> bytes:
    """What a blob is kept under."""
    return sha256(data).digest()


ONE, OTHER = b"\x00one\xff" * 1_000, b"other"


class BlobLaws:
    """Large payloads."""

    async def test_blobs_come_back_by_their_digests(self, store: Store) -> None:
        await store.put_blobs("a", {digest_of(ONE): ONE, digest_of(OTHER): OTHER}, now_us=T0)
        found = await store.get_blobs("a", [digest_of(OTHER), digest_of(ONE)])
        assert dict(found) == {digest_of(ONE): ONE, digest_of(OTHER): OTHER}

    async def test_unknown_digests_are_left_out(self, store: Store) -> None:
        await store.put_blobs("a", {digest_of(ONE): ONE}, now_us=T0)
        assert dict(await store.get_blobs("a", [digest_of(OTHER), digest_of(ONE)])) == {digest_of(ONE): ONE}
        assert dict(await store.get_blobs("nobody", [digest_of(ONE)])) == {}
        assert dict(await store.get_blobs("a", [])) == {}

    async def test_putting_twice_changes_nothing(self, store: Store) -> None:
        await store.put_blobs("a", {digest_of(ONE): ONE}, now_us=T0)
        await store.put_blobs("a", {digest_of(ONE): ONE, digest_of(OTHER): OTHER}, now_us=at(1))
        await store.put_blobs("a", {}, now_us=at(2))
        assert len(await store.get_blobs("a", [digest_of(ONE), digest_of(OTHER)])) == 2

    async def test_blobs_may_come_before_their_instance(self, store: Store) -> None:
        await store.put_blobs("a", {digest_of(ONE): ONE}, now_us=T0)
        await store.create(new("a"), now_us=T0)
        assert await store.get_blobs("a", [digest_of(ONE)])

    async def test_each_instance_has_its_own_and_loses_them_when_it_is_purged(self, store: Store) -> None:
        for id in ("a", "b"):
            await store.put_blobs(id, {digest_of(ONE): ONE}, now_us=T0)
        await store.create(new("b"), now_us=T0)
        await finish(store, await store.create(new("a"), now_us=T0))
        await store.purge("a", now_us=at(9))
        assert dict(await store.get_blobs("a", [digest_of(ONE)])) == {}
        assert dict(await store.get_blobs("b", [digest_of(ONE)])) == {digest_of(ONE): ONE}

    async def test_another_handle_sees_them(self, store_factory: Callable[[], Store]) -> None:
        await store_factory().put_blobs("a", {digest_of(ONE): ONE}, now_us=T0)
        assert await store_factory().get_blobs("a", [digest_of(ONE)])
