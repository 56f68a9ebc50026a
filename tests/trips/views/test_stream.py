"""Live news over one LISTEN per process, under ASGI."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient

from tests.factories.trips import proposed
from trips.models import Trip
from trips.views import stream

pytestmark = pytest.mark.django_db(transaction=True)


def touch(trip: Trip) -> None:
    """Something about the trip changes."""
    Trip.objects.filter(id=trip.id).update(operator_name="Lakeshore Lines")
    connection.close()


async def parts_of(answer: Any, count: int) -> list[bytes]:
    """The next parts of a stream."""
    found = []
    async for part in answer.streaming_content:
        found.append(part)
        if len(found) == count:
            break
    return found


def test_news_arrive(now: datetime) -> None:
    trip, other = proposed(now=now), proposed(now=now)

    async def scenario() -> tuple[list[bytes], int]:
        answer = await AsyncClient().get(f"/stream/trips/{trip.code.lower()}/")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/event-stream"
        parts = answer.streaming_content
        first = await anext(parts)
        told = asyncio.create_task(anext(parts))
        await asyncio.sleep(0)
        # The listener rings once when it is there: whoever looks then has missed nothing.
        ready = await asyncio.wait_for(told, 10)
        await sync_to_async(touch)(other)
        waiting = asyncio.create_task(anext(parts))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await sync_to_async(touch)(trip)
        news = await asyncio.wait_for(waiting, 10)
        gone = asyncio.create_task(anext(parts))
        await asyncio.sleep(0.1)
        gone.cancel()  # what the server does when the browser has left
        await asyncio.gather(gone, return_exceptions=True)
        return [first, ready, news], stream._here().count

    parts, watching = asyncio.run(scenario())

    event = f"event: trip\ndata: {trip.code}\n\n".encode()
    assert parts == [b"retry: 5000\n\n", event, event]
    assert watching == 0


def test_one_listener_for_all(now: datetime) -> None:
    trip = proposed(now=now)

    async def scenario() -> int:
        answers = [await AsyncClient().get(f"/stream/trips/{trip.code}/") for _ in range(5)]
        parts = [answer.streaming_content for answer in answers]
        for each in parts:
            await anext(each)
        await asyncio.gather(*[asyncio.wait_for(anext(each), 10) for each in parts])
        listening = await sync_to_async(count_listeners)()
        for each in parts:
            await each.aclose()
        return listening

    assert asyncio.run(scenario()) == 1


def count_listeners() -> int:
    """Sessions of this database whose last word was LISTEN."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        found: int = cursor.fetchone()[0]
    connection.close()
    return found


def test_silence_is_kept_alive(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    trip = proposed(now=now)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.2)
    monkeypatch.setattr(stream, "LIFETIME_SECONDS", 0.6)

    async def scenario() -> list[bytes]:
        answer = await AsyncClient().get(f"/stream/trips/{trip.code}/")
        return [part async for part in answer.streaming_content]

    parts = asyncio.run(scenario())

    assert b": still here\n\n" in parts
    assert len(parts) < 10


def test_bounded_and_real(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    trip = proposed(now=now)

    async def status(code: str) -> int:
        answer = await AsyncClient().get(f"/stream/trips/{code}/")
        return int(answer.status_code)

    assert asyncio.run(status("NOSUCH")) == 404
    assert asyncio.run(status("BCDFGH")) == 404
    monkeypatch.setattr(stream, "MOST_WATCHERS", 0)
    assert asyncio.run(status(trip.code)) == 503
