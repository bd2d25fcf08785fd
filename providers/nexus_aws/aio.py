"""Requests on the event loop itself, through aioboto3: for workers, which have many under way at a time.

The one rule: what is opened on a loop is closed with it. A task of the loop holds each client; when the loop ends, it
cancels its tasks, and so ends the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

from nexus_aws.call import CONFIG, BotoCall, refusal, region_of

Loop = asyncio.AbstractEventLoop


class AioCall:
    """See `Call`. Args: see `BotoCall`."""

    def __init__(self, *, region: str | None = None, endpoint: str | None = None) -> None:
        self._region = region_of(region)
        self._endpoint = endpoint
        self._session: Any = None
        self._clients: dict[str, asyncio.Future[Any]] = {}
        self._holders: list[asyncio.Task[None]] = []

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Call`."""
        client = await self._client(service)
        try:
            reply: Mapping[str, Any] = await client._make_api_call(operation, dict(parameters))
            if "Body" in reply:
                async with reply["Body"] as stream:
                    return {**reply, "Body": await stream.read()}
            return reply
        except Exception as error:
            raise refusal(service, operation, error) from None

    async def _client(self, service: str) -> Any:
        if service not in self._clients:
            opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._clients[service] = opened
            self._holders.append(asyncio.create_task(self._hold(service, opened), name=f"nexus aws {service}"))
        try:
            return await asyncio.shield(self._clients[service])
        except Exception as error:
            self._clients.pop(service, None)
            raise refusal(service, "client", error) from None

    async def _hold(self, service: str, opened: asyncio.Future[Any]) -> None:
        from aioboto3 import Session
        from aiobotocore.config import AioConfig

        try:
            if self._session is None:
                self._session = Session()
            made = self._session.client(
                service, region_name=self._region, endpoint_url=self._endpoint, config=AioConfig(**CONFIG)
            )
            async with made as client:
                opened.set_result(client)
                await asyncio.get_running_loop().create_future()  # until it is cancelled
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)
        finally:
            opened.cancel()  # unless it is done

    async def close(self) -> None:
        """Release the connections."""
        self._clients.clear()
        holders, self._holders = self._holders, []
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)


class SharedCall:
    """Requests through aioboto3 on the loops where somebody serves, and through boto3 in threads elsewhere.

    Who asks once in a while opens boto3's client once for all his loops; who serves stays on one loop.
    """

    def __init__(self, *, region: str | None = None, endpoint: str | None = None) -> None:
        self._where = {"region": region, "endpoint": endpoint}
        self._threads = BotoCall(region=region, endpoint=endpoint)
        self._serving: WeakKeyDictionary[Loop, AioCall] = WeakKeyDictionary()

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Call`."""
        call = self._serving.get(asyncio.get_running_loop(), self._threads)
        return await call(service, operation, parameters)

    def serve(self) -> None:
        """On this loop somebody serves."""
        loop = asyncio.get_running_loop()
        if loop not in self._serving and find_spec("aioboto3") is not None:
            self._serving[loop] = AioCall(**self._where)

    async def close(self) -> None:
        """Release connections and threads. A call opens them again."""
        serving = self._serving.pop(asyncio.get_running_loop(), None)
        if serving is not None:
            await serving.close()
        self._threads.close()
