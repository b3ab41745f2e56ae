"""A hub on this machine: as much of the Hugging Face hub's interface as one model needs."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any


class Hub:
    """What the server holds and was asked for.

    Attributes:
      files: {path: bytes} of the newest commit.
      requests: ["METHOD /path", ...].
      created: the bodies of requests that make a repository.
      address: of the server.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.address = ""

    @property
    def revision(self) -> str:
        """The digest of the newest commit."""
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


def _handler(hub: Hub) -> type:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def _body(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _send(self, body: bytes, status: int = 200, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _json(self, value, status: int = 200):
            self._send(json.dumps(value).encode(), status, Content_Type="application/json")

        def do_POST(self):
            hub.requests.append(f"POST {self.path}")
            body = self._body()
            if self.headers.get("Authorization") != "Bearer hf_token":
                self._json({"error": "Invalid credentials"}, 401)
            elif self.path == "/api/repos/create":
                hub.created.append(json.loads(body))
                self._json({"url": f"{hub.address}/me/x", "id": "me/x"})
            elif self.path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
                self._json({"files": modes})
            elif "/commit/" in self.path:
                for line in body.splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        value = entry["value"]
                        hub.files[value["path"]] = base64.b64decode(value["content"])
                url = f"{hub.address}/me/x/commit/{hub.revision}"
                self._json({"success": True, "commitOid": hub.revision, "commitUrl": url})
            else:
                self._json({"error": "unknown"}, 404)

        def do_GET(self):
            hub.requests.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/me/x/tree/"):
                sizes = {name: len(content) for name, content in hub.files.items()}
                entries = [{"path": n, "size": size, "oid": "0"} for n, size in sizes.items()]
                self._json([{"type": "file", **entry} for entry in entries])
                return
            if path.startswith("/api/models/me/x"):
                siblings = [{"rfilename": name} for name in hub.files]
                self._json({"id": "me/x", "sha": hub.revision, "siblings": siblings})
                return
            name = path.rpartition("/")[2]
            if name not in hub.files:
                self._send(b"", 404, X_Error_Code="EntryNotFound")
                return
            etag = f'"{hashlib.sha1(hub.files[name]).hexdigest()}"'
            self._send(hub.files[name], X_Repo_Commit=hub.revision, ETag=etag)

        do_HEAD = do_GET

    return Handler


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    """Serve an empty hub within the context; its model is me/x, its token hf_token."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
