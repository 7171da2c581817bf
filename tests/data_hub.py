"""A stand-in for the hub on this machine: the routes that `datasets` and `huggingface_hub` read data sets through."""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import PurePosixPath
from typing import Any

from tests.serving import listening

SHA = "0" * 40
ROUTE = re.compile(
    r"/api/datasets/(?P<repo>[^/]+/[^/]+)(?:/(?P<verb>revision|tree|paths-info)/(?P<rev>[^/]+)(?:/(?P<below>.*))?)?"
)
FILE = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/[^/]+/(?P<path>.*)")


@dataclass
class Repo:
    """A data set's files by their names."""

    files: Mapping[str, bytes]
    gated: bool = False


@dataclass
class DataHub:
    """What the server has, and what it was asked."""

    repos: Mapping[str, Repo]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def answer(self, path: str, query: str, body: bytes) -> tuple[int, Any]:
        """(status, json or bytes) for one request."""
        if (match := FILE.fullmatch(path)) and match["repo"] in self.repos:
            return self._file(self.repos[match["repo"]], match["path"])
        match = ROUTE.fullmatch(path)
        if match is None or match["repo"] not in self.repos:
            return 404, "RepoNotFound"
        repo = self.repos[match["repo"]]
        if match["verb"] == "tree":
            entries = [e for e in _entries(repo) if _inside(e["path"], match["below"] or "", "recursive=true" in query)]
            return (200, entries) if entries else (404, "EntryNotFound")
        if match["verb"] == "paths-info":
            wanted = urllib.parse.parse_qs(body.decode())["paths"] if body[:1] != b"{" else json.loads(body)["paths"]
            return 200, [entry for entry in _entries(repo) if entry["path"] in wanted]
        siblings = [{"rfilename": name} for name in repo.files]
        return 200, {
            "_id": "1", "id": match["repo"], "sha": SHA, "private": False, "gated": repo.gated,
            "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings,
        }  # fmt: skip

    def _file(self, repo: Repo, name: str) -> tuple[int, Any]:
        if repo.gated and name != "README.md":
            return 403, "GatedRepo"
        return (200, repo.files[name]) if name in repo.files else (404, "EntryNotFound")


def _entries(repo: Repo) -> list[dict[str, Any]]:
    folders = {str(parent) for name in repo.files for parent in PurePosixPath(name).parents if parent.name}
    return [{"type": "directory", "path": name, "oid": "1"} for name in sorted(folders)] + [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in repo.files.items()
    ]


def _inside(path: str, folder: str, deep: bool) -> bool:
    parents = [str(parent) if parent.name else "" for parent in PurePosixPath(path).parents]
    return folder in (parents if deep else parents[:1])


@contextmanager
def serving_data_sets(repos: Mapping[str, Repo]) -> Iterator[DataHub]:
    """A hub with these data sets, for as long as the context lasts."""
    hub = DataHub(repos)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            path = urllib.parse.unquote(parts.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.asked.append(f"{self.command} {path}")
            hub.tokens.append(self.headers.get("Authorization") or "")
            status, found = hub.answer(path, parts.query.lower(), body)
            error = found if status >= 400 else ""
            content = found if isinstance(found, bytes) else json.dumps({"error": error} if error else found).encode()
            whole = len(content)
            if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
                first, last = int(wanted[1]), int(wanted[2] or whole - 1)
                content, status = content[first : last + 1], 206
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{first + len(content) - 1}/{whole}")
            if error:
                self.send_header("X-Error-Code", error)
            self.send_header("X-Repo-Commit", SHA)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header(
                "Content-Type", "application/octet-stream" if isinstance(found, bytes) else "application/json"
            )
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as hub.url:
        yield hub
