"""The sandbox behind a real socket: for the parity run, for benchmarks with a delay, and for curl."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import ConnectionDropped

_LONGEST_BODY: Final = 1_000_000


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], find: Callable[[], Sandbox]) -> None:
        super().__init__(address, _Handler)
        self.find = find


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two small writes and delayed acknowledgements would add 40 ms to each answer.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LONGEST_BODY:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        try:
            status, fields, answer = self.server.find().handle(
                self.command, self.path, dict(self.headers.items()), body
            )
        except ConnectionDropped:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815  the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing: the caller sees every answer."""


@contextmanager
def serving(
    sandbox: Sandbox | Callable[[], Sandbox], *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Serve the API until the block ends and give its address, such as `http://127.0.0.1:40123`.

    For `StripeClient(base_addresses={"api": address})`. Port 0 takes any free one. A function is asked for the sandbox
    at each request, so that one server can stand before several, one after the other.
    """
    server = _Server((host, port), (lambda: sandbox) if isinstance(sandbox, Sandbox) else sandbox)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
