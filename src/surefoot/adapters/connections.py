"""Connections to model providers, kept alive and shared between calls, of each event loop by itself."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from functools import cache
from threading import Lock
from weakref import WeakKeyDictionary

import httpx

_LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=32, keepalive_expiry=30.0)


class LoopConnections:
    """A pool of connections for every event loop that asks, opened at its first call and closed with the loop.

    A connection belongs to the loop that opened it, and the product is used from several in turn: one per command, one per
    test, one per server. A pool knows no cookies, redirects, proxies or credentials of the environment.
    """

    def __init__(self, *, tls: bool) -> None:
        self._tls = tls
        self._lock = Lock()
        self._keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Keeper] = WeakKeyDictionary()

    async def pool(self) -> httpx.AsyncHTTPTransport:
        """The running loop's pool."""
        loop = asyncio.get_running_loop()
        with self._lock:
            keeper = self._keepers.get(loop)
        if keeper is None:
            transport = httpx.AsyncHTTPTransport(
                verify=_tls_context() if self._tls else False, trust_env=False, limits=_LIMITS, retries=0
            )
            keeper = _Keeper(transport)
            with self._lock:
                for ended in [known for known in self._keepers if known.is_closed()]:
                    del self._keepers[ended]
                keeper = self._keepers.setdefault(loop, keeper)
            await keeper.watch()
        return keeper.transport

    async def aclose(self) -> None:
        """No connection of a running loop is open; those of ended loops were closed when they ended."""
        with self._lock:
            keepers = list(self._keepers.items())
            self._keepers.clear()
        here = asyncio.get_running_loop()
        for loop, keeper in keepers:
            if loop is here:
                await keeper.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(keeper.close(), loop))


class _Keeper:
    """A pool that is closed when its loop ends: a loop closes its unfinished async generators last, and this is one."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.transport = transport
        self._watch: AsyncGenerator[None, None] | None = None

    async def watch(self) -> None:
        if self._watch is None:
            self._watch = _until_closed(self.transport)
            await anext(self._watch)

    async def close(self) -> None:
        if self._watch is not None:
            await self._watch.aclose()


async def _until_closed(transport: httpx.AsyncHTTPTransport) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await transport.aclose()


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=True, trust_env=False)
