"""Live news of trips: one PostgreSQL LISTEN per process, passed on as Server-Sent Events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from rally import codes
from trips.models import Trip

logger = logging.getLogger(__name__)

CHANNEL = "rally_news"
#: A proxy closes a silent connection after a minute at the earliest.
KEEP_ALIVE_SECONDS = 20.0
#: A stream ends after this long; the browser comes back by itself, perhaps to a process with more room.
LIFETIME_SECONDS = 1800.0
MOST_WATCHERS = 2000
_CODE = re.compile(rf"[{codes.ALPHABET}]{{4,12}}")


class News:
    """Who watches which trip in this process, and the one connection that listens for all of them.

    It belongs to one event loop. The listener starts with the first watcher, under a lock: two would tell everybody
    everything twice. It ends when nobody watches any more.
    """

    def __init__(self) -> None:
        self.watchers: dict[str, set[asyncio.Event]] = {}
        self.count = 0
        self._starting = asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None

    async def watch(self, code: str) -> asyncio.Event:
        """An event that is set whenever there is news of this trip. Give it back to `leave`."""
        rings = asyncio.Event()
        self.watchers.setdefault(code, set()).add(rings)
        self.count += 1
        async with self._starting:
            if self._listener is None or self._listener.done():
                self._listener = asyncio.create_task(self._listen())
        return rings

    def leave(self, code: str, rings: asyncio.Event) -> None:
        """Nobody waits for this event any more."""
        watching = self.watchers.get(code, set())
        watching.discard(rings)
        if not watching:
            self.watchers.pop(code, None)
        self.count -= 1
        if self.count == 0 and self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _listen(self) -> None:
        wait = 1.0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **_connection_facts(), autocommit=True
                ) as listening:
                    await listening.execute(f"LISTEN {CHANNEL}")
                    wait = 1.0
                    self._ring_all()  # what happened while nobody listened is found by looking
                    async for news in listening.notifies():
                        kind, _, code = news.payload.partition(":")
                        if kind == "trip":
                            self._ring(code)
            except (psycopg.Error, OSError) as error:
                logger.warning("stream.listener_lost error=%s", type(error).__name__)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 30.0)

    def _ring(self, code: str) -> None:
        for rings in self.watchers.get(code, ()):
            rings.set()

    def _ring_all(self) -> None:
        for code in self.watchers:
            self._ring(code)


def _connection_facts() -> dict[str, Any]:
    """How to reach the database, as Django does, without its pool and its session limits."""
    facts = connection.get_connection_params()
    return {name: facts[name] for name in ("host", "port", "dbname", "user", "password") if facts.get(name)}


#: One for each event loop; a server has one loop for its whole life.
_news: dict[int, News] = {}


def _here() -> News:
    loop = asyncio.get_running_loop()
    return _news.setdefault(id(loop), News())


async def stream(request: HttpRequest, code: str) -> HttpResponse | StreamingHttpResponse:
    """News of one trip as Server-Sent Events: `event: trip` with its code. 503 where streams cannot be held open."""
    if not isinstance(request, ASGIRequest):
        # Under WSGI each viewer would hold a whole worker; the page asks now and then instead.
        return HttpResponse(
            "Streams are served elsewhere; ask again in a while.\n", status=503, content_type="text/plain"
        )
    code = codes.clean(code)
    if not _CODE.fullmatch(code) or not await sync_to_async(_exists)(code):
        return HttpResponse(status=404)
    news = _here()
    if news.count >= MOST_WATCHERS:
        return HttpResponse(status=503, headers={"Retry-After": "30"})
    answer = StreamingHttpResponse(_told(news, code), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


def _exists(code: str) -> bool:
    try:
        return Trip.objects.filter(code=code).exists()
    finally:
        # A stream lives for half an hour; its database connection must not.
        if not connection.in_atomic_block:
            connection.close()


async def _told(news: News, code: str) -> AsyncIterator[bytes]:
    rings = await news.watch(code)
    loop = asyncio.get_running_loop()
    until = loop.time() + LIFETIME_SECONDS
    try:
        yield b"retry: 5000\n\n"
        while loop.time() < until:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await rings.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            rings.clear()
            yield f"event: trip\ndata: {code}\n\n".encode()
    finally:
        with contextlib.suppress(RuntimeError):  # the loop may be gone when the server stops
            news.leave(code, rings)
