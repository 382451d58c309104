"""A server on this machine in the place of a dataset's official one."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``content`` at /``name``; ``requests`` are the ranges that were asked for ("" = all of it).

    ranges: whether it can send a part. cut: bytes after which it hangs up, None = never. told: the length it announces.
    """

    def __init__(self, name: str = "sets.zip") -> None:
        self.content = b""
        self.ranges = True
        self.cut: int | None = None
        self.told: int | None = None
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.split("?")[0] != f"/{name}":
                    self.send_error(404)
                    return
                wanted = self.headers.get("Range", "")
                server.requests.append(wanted)
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
                size = len(server.content)
                if start and start >= size:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{size}")
                    self.end_headers()
                    return
                body = server.content[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
                self.send_header("Content-Length", str(server.told or len(body)))
                self.end_headers()
                self.wfile.write(body[: server.cut])

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/{name}?download=1"
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()
