"""A web server on this machine, for downloads: it can cut a connection."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """What it serves, what it was asked, and when it hangs up.

    Attributes:
        content: bodies by path.
        ranges: the Range of each request so far, None if it had none.
        cuts: for each answer to come, the bytes after which to hang up.
        knows_ranges: whether it answers with parts.
        tags: ETags by path.
        pauses: for each answer to come, the bytes after which to wait for `resume`.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.cuts: list[int | None] = []
        self.knows_ranges = True
        self.tags: dict[str, str] = {}
        self.pauses: list[int] = []
        self.resume = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.content.get(handler.path)
        asked = handler.headers.get("Range")
        tag = self.tags.get(handler.path)
        self.ranges.append(asked)
        if body is None:
            return handler.send_error(404)
        if handler.headers.get("If-Range", tag) != tag:
            asked = None
        start = 0
        if asked and self.knows_ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.send_header("Content-Length", "0")
                return handler.end_headers()
            handler.send_response(206)
        else:
            handler.send_response(200)
        if tag is not None:
            handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        if self.pauses:
            pause = start + self.pauses.pop(0)
            handler.wfile.write(body[start:pause])
            self.resume.wait(60)
            start = pause
        with contextlib.suppress(ConnectionError):  # of who went away while it paused
            handler.wfile.write(body[start : None if cut is None else start + cut])
        return None
