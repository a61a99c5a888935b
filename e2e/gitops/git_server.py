"""A Git repository on loopback, served over smart HTTP (Flux speaks nothing else), by `git http-backend`."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

AUTHOR = {
    f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "t"), ("EMAIL", "t@t.example"))
}
ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ.get("PATH", os.defpath)}
"""Nothing of the user's own settings."""
MAX_REQUEST = 16 * 1024 * 1024


class GitServer:
    """One repository with one branch, `main`; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._bare = folder / "fleet.git"
        self._tree = folder / "tree"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where to clone it from."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._bare.name}"

    def __enter__(self) -> Self:
        _git(self._bare.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        _git(self._bare.parent, "init", "--quiet", "--initial-branch=main", str(self._tree))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def commit(self, files: Mapping[str, str]) -> str:
        """Make `files` (path -> text) the whole content of the branch; returns the commit."""
        for old in self._tree.rglob("*.yaml"):
            old.unlink()
        for name, text in files.items():
            path = self._tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        _git(self._tree, "add", "--all")
        _git(self._tree, "commit", "--quiet", "--allow-empty", "--message", "change")
        _git(self._tree, "push", "--quiet", str(self._bare), "HEAD:main")
        return _git(self._tree, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=folder, env=ALONE | AUTHOR, text=True)


def _handler(root: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands each request to git http-backend, which is a CGI program."""

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self._body())

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_REQUEST))
            body = b""
            while (size := int(self.rfile.readline().split(b";")[0], 16)) and len(body) < MAX_REQUEST:
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            environment = ALONE | {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = [line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line]
            status = next((value for name, _, value in fields if name == "Status"), "200")
            self.send_response(int(status.split()[0]))
            for name, _, value in fields:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
