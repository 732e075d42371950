"""The page of a network that stands, served on loopback while its packets come."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from localpair_lab.errors import LabError
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.report.page.build import standing_page
from localpair_lab.report.page.record import read_record
from localpair_lab.report.page.render import run_html

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class LivePage:
    """The page as it is now, made anew only where a capture has grown. ``fetched`` brings the captures into ``folder``
    and says where they are.
    """

    cell: PlannedCell
    engine: str
    folder: Path
    fetched: Callable[[], list[Path]]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _version: str = ""
    _html: bytes = b""

    def now(self) -> tuple[str, bytes]:
        """Its version, and the page."""
        with self._lock:  # browsers ask at once, and the processor has better to do than to make it twice
            version = _version(self.fetched())
            if version != self._version:
                page = standing_page(self.cell, self.engine, read_record(self.folder), Path.cwd())
                self._html = run_html(page, live=True).encode()
                self._version = version
            return self._version, self._html


def _version(captures: list[Path]) -> str:
    sizes = "".join(f"{path.name} {path.stat().st_size}\n" for path in captures)
    return f'"{hashlib.sha256(sizes.encode()).hexdigest()[:16]}"'


@contextlib.contextmanager
def served(page: LivePage, port: int) -> Iterator[str]:
    """Serve it at the address that is given. Raises LabError where the port is taken; 0 takes one that is free."""
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), _handler(page))
    except (OSError, OverflowError) as error:
        raise LabError(f"port {port}: {error}", hint="name another one") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class PageHandler(BaseHTTPRequestHandler):
        """One page, to browsers of this machine that asked for this very address."""

        def do_GET(self) -> None:
            """The page, or that it is as it was."""
            if not self._is_meant():  # a page from elsewhere, whose name was made to lead here
                self._answer(HTTPStatus.FORBIDDEN, "", b"")
            elif self.path != "/":
                self._answer(HTTPStatus.NOT_FOUND, "", b"")
            else:
                self._show()

        def _show(self) -> None:
            try:
                version, html = page.now()
            except (LabError, OSError):  # the network goes
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "", b"")
                return
            is_known = self.headers.get("If-None-Match") == version
            self._answer(HTTPStatus.NOT_MODIFIED if is_known else HTTPStatus.OK, version, html)

        def _is_meant(self) -> bool:
            name, _, port = self.headers.get("Host", "").partition(":")
            own = self.connection.getsockname()[1]
            return name in (LOOPBACK, "localhost") and port == str(own)

        def _answer(self, status: HTTPStatus, version: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            if version:
                self.send_header("ETag", version)
            if status is HTTPStatus.NOT_MODIFIED:
                content = b""
            else:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: the terminal belongs to whoever holds the network."""

    return PageHandler
