"""The load generator: many clients on kept-alive connections, each waiting for its answer before it asks again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def raw(self) -> bytes:
        """As bytes on the wire."""
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Length: {len(self.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass
class Result:
    """What came of a run."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    bytes: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """This run and that one as one."""
        self.seconds += other.seconds
        self.statuses += other.statuses
        self.times += other.times
        self.bytes += other.bytes
        self.bodies += other.bodies

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The time in milliseconds within which this share of the answers came."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def run(asks: Iterable[Ask], *, clients: int, port: int = 8765, keep_bodies: bool = False) -> Result:
    """Send all asks through `clients` connections and measure. No answer within 60 s raises `TimeoutError`."""
    return asyncio.run(_run(list(asks), clients, port, keep_bodies))


async def _run(asks: list[Ask], clients: int, port: int, keep_bodies: bool) -> Result:
    result, queue = Result(), iter([ask.raw() for ask in asks])
    begun = time.perf_counter()
    await asyncio.gather(*(_client(queue, port, result, keep_bodies) for _ in range(clients)))
    result.seconds = time.perf_counter() - begun
    return result


async def _client(queue: Iterable[bytes], port: int, result: Result, keep_bodies: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for raw in queue:
        begun = time.perf_counter()
        writer.write(raw)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        body = await _body(reader, head)
        result.times.append(time.perf_counter() - begun)
        result.statuses[int(head[9:12])] += 1
        result.bytes += len(head) + len(body)
        if keep_bodies:
            result.bodies.append(body)
        if b"\r\nconnection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    headers = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:] if b":" in line)
    if b"content-length" in headers:
        return await reader.readexactly(int(headers[b"content-length"]))
    parts = []
    while size := int(await reader.readline(), 16):  # chunked
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)
