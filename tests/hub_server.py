"""A hub on this machine for models and Spaces: the routes that huggingface_hub 2 pushes to, lists and fetches from.

It knows whose token that is, what is private, and revisions; it can refuse, and break at any stage of a push.
"""

import base64
import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.serving import listening

TOKEN, READER = "hf_of_the_tester", "hf_that_only_reads"
USER = "tester"
LFS = (".safetensors", ".zip", ".npz")
API = re.compile(
    r"/api/(?P<kind>models|spaces|datasets)/(?P<repo>[^/]+/[^/]+)(?:/(?P<verb>revision|tree|preupload|commit|paths-info)/(?P<rev>[^/]+).*)?"
)
SETTING = re.compile(r"/api/spaces/(?P<repo>[^/]+/[^/]+)/(?P<what>variables|volumes|hardware|runtime)")
BUCKET = re.compile(r"/api/buckets/(?P<name>[^/]+/[^/]+)")
PREFIX = {"models": "", "spaces": "spaces/", "datasets": "datasets/"}  # of a repository's name here, as in addresses
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.*)")
BATCH = re.compile(r"/(?P<repo>(?:spaces/|datasets/)?[^/]+/[^/]+)\.git/info/lfs/objects/batch")


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: Any = field(default_factory=dict)  # bytes as they are, anything else as json
    code: str = ""  # the hub's own word for an error
    commit: str = ""


@dataclass
class Repo:
    """A repository: its commits, the newest last, each all of its files."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)  # of a Space: what it was made with, and what was set later

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def at(self, revision: str) -> str | None:
        """The commit of a revision, if there is one."""
        if revision == "main":
            return self.head
        return next((commit for commit in self.commits if commit == revision), None)

    def add(self, files: dict[str, bytes]) -> str:
        """Commit these files, and no others."""
        commit = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[commit] = files
        return commit


@dataclass
class Hub:
    """What the server has, what it was asked, and where it breaks."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)  # large files by their hash
    asked: list[str] = field(default_factory=list)
    buckets: list[str] = field(default_factory=list)
    jobs: Any = None  # what runs jobs, see tests/hub_jobs.py
    breaks: set[str] = field(default_factory=set)  # lfs, commit, cut, delete, create, pay, bucket, setting
    sizes: dict[str, int] = field(default_factory=dict)  # lies: file -> the size that is told

    def put(self, name: str, files: dict[str, bytes], *, private: bool = False) -> str:
        """Have a repository with these files; its commit."""
        return self.repos.setdefault(name, Repo(private, {})).add(files)

    def answer(self, method: str, path: str, body: bytes, token: str) -> Answer:
        """The answer to one request."""
        if token not in ("", TOKEN, READER):
            return Answer(401, {"error": "Invalid credentials in Authorization header"})
        if path == "/api/whoami-v2":
            return self._whoami(token)
        if path in ("/api/repos/create", "/api/repos/delete"):
            return self._made_or_deleted(path, json.loads(body), token)
        if path == "/api/validate-yaml":
            return Answer(200, {"errors": [], "warnings": []})
        if path.startswith("/_lfs/"):
            return self._store(path.rpartition("/")[2], body)
        if self.jobs and path.startswith("/api/jobs/"):
            told: Answer = self.jobs.answer(method, path, body, token)
            return told
        if found := SETTING.fullmatch(path):
            return self._setting(found["repo"], found["what"], body, token)
        if found := BUCKET.fullmatch(path):
            return self._bucket(method, found["name"], token)
        if found := BATCH.fullmatch(path):
            return self._batch(json.loads(body))
        if found := FILE.fullmatch(path):
            return self._file(found["repo"], found["rev"], found["path"], token)
        if found := API.fullmatch(path):
            return self._api(PREFIX[found["kind"]] + found["repo"], found["verb"], found["rev"] or "main", body, token)
        return Answer(404, {"error": f"{method} {path}"})

    def _whoami(self, token: str) -> Answer:
        if not token:
            return Answer(401, {"error": "no token"})
        return Answer(200, {"type": "user", "name": USER, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def _made_or_deleted(self, path: str, asked: dict[str, Any], token: str) -> Answer:
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        verb = path.rpartition("/")[2]
        if token != TOKEN or not name.startswith(f"{USER}/") or verb in self.breaks:
            return Answer(403, {"error": "You don't have the rights"})
        if verb == "create" and "pay" in self.breaks:
            return Answer(402, {"error": "Payment required"})
        name = PREFIX[f"{asked.get('type') or 'model'}s"] + name
        if verb == "delete":
            self.repos.pop(name, None)
            return Answer()
        if name in self.repos:
            return Answer(409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"})
        self.repos[name] = Repo(asked.get("visibility") == "private" or bool(asked.get("private")))
        self.repos[name].add({})
        self.repos[name].made = {k: asked[k] for k in ("sdk", "hardware", "volumes", "variables") if k in asked}
        return Answer(200, {"url": f"{self.url}/{name}", "name": name, "id": "1"})

    def _setting(self, name: str, what: str, body: bytes, token: str) -> Answer:
        repo = self.repos.get(f"spaces/{name}")
        if repo is None or token != TOKEN:
            return Answer(404, {"error": "Repository not found"}, "RepoNotFound")
        if what == "runtime":
            return Answer(200, {"stage": "RUNNING", "hardware": {"current": repo.made.get("hardware")}})
        if "setting" in self.breaks:
            return Answer(400, {"error": "not now"})
        asked = json.loads(body)
        if what == "variables":
            repo.made.setdefault("variables", []).append(asked)
            return Answer(200, {})
        repo.made[what] = asked["flavor"] if what == "hardware" else asked["volumes"]
        return Answer(200, {"stage": "BUILDING", "hardware": {"requested": repo.made.get("hardware")}})

    def _bucket(self, method: str, name: str, token: str) -> Answer:
        if token != TOKEN or "bucket" in self.breaks:
            return Answer(403, {"error": "You don't have the rights"})
        if method == "DELETE":
            self.buckets.remove(name)
            return Answer()
        if name in self.buckets:
            return Answer(409, {"error": "there already"})
        self.buckets.append(name)
        return Answer(200, {"url": f"{self.url}/buckets/{name}"})

    def _store(self, oid: str, body: bytes) -> Answer:
        if "lfs" in self.breaks:
            return Answer(400, {"error": "the store is broken"})
        assert hashlib.sha256(body).hexdigest() == oid
        self.stored[oid] = body
        return Answer()

    def _batch(self, asked: dict[str, Any]) -> Answer:
        objects = [
            {"oid": o["oid"], "size": o["size"]}
            | ({} if o["oid"] in self.stored else {"actions": {"upload": {"href": f"{self.url}/_lfs/{o['oid']}"}}})
            for o in asked["objects"]
        ]
        return Answer(200, {"transfer": "basic", "objects": objects})

    def _seen(self, name: str, token: str) -> Repo | None:
        repo = self.repos.get(name)
        return None if repo is None or (repo.private and token != TOKEN) else repo

    def _file(self, name: str, revision: str, path: str, token: str) -> Answer:
        repo = self._seen(name, token)
        commit = repo and repo.at(revision)
        if repo is None or commit is None:
            return Answer(404 if token else 401, {"error": "Repository not found"}, "RepoNotFound")
        content = repo.commits[commit].get(path)
        if content is None:
            return Answer(404, {"error": "Entry not found"}, "EntryNotFound", commit)
        return Answer(200, content, commit=commit)

    def _api(self, name: str, verb: str | None, revision: str, body: bytes, token: str) -> Answer:
        repo = self._seen(name, token)
        if repo is None:
            return Answer(404 if token else 401, {"error": "Repository not found"}, "RepoNotFound")
        commit = repo.at(revision)
        if commit is None:
            return Answer(404, {"error": "Revision not found"}, "RevisionNotFound")
        if verb == "preupload":
            files = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LFS) else "regular",
                      "shouldIgnore": False} for f in json.loads(body)["files"]]  # fmt: skip
            return Answer(200, {"files": files})
        if verb == "commit":
            return self._commit(name, repo, body, token)
        listed = [self._listed(path, content) for path, content in repo.commits[commit].items()]
        if verb in ("tree", "paths-info"):
            return Answer(200, [{"type": "file", "path": file.pop("rfilename"), **file} for file in listed])
        return Answer(200, {"_id": "1", "id": name, "modelId": name, "sha": commit, "private": repo.private,
                            "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                            "siblings": listed})  # fmt: skip

    def _listed(self, path: str, content: bytes) -> dict[str, Any]:
        size = self.sizes.get(path, len(content))
        facts: dict[str, Any] = {"rfilename": path, "size": size, "oid": hashlib.sha1(content).hexdigest()}
        if path.endswith(LFS):
            facts["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
            facts["lfs"]["oid"] = facts["lfs"]["sha256"]
        return facts | {"blobId": facts["oid"]}

    def _commit(self, name: str, repo: Repo, body: bytes, token: str) -> Answer:
        if token != TOKEN or "commit" in self.breaks:
            return Answer(403 if token != TOKEN else 400, {"error": "the commit is refused"})
        files = dict(repo.commits[repo.head])
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
        commit = repo.add(files)
        return Answer(200, {"success": True, "commitOid": commit, "commitUrl": f"{self.url}/{name}/commit/{commit}",
                            "hookOutput": ""})  # fmt: skip


@contextmanager
def serving_models() -> Iterator[Hub]:
    """A hub for as long as the context lasts."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            path = urllib.parse.unquote(parts.path)
            body = self._body()
            hub.asked.append(f"{self.command} {path}")
            if "cut" in hub.breaks and "/commit/" in path:
                self.close_connection = True
                self.connection.close()
                return
            told = hub.answer(
                self.command, path, body, (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            )
            if isinstance(told.body, Iterator):
                self._stream(told.body)
                return
            content = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            self.send_response(told.status)
            if told.code:
                self.send_header("X-Error-Code", told.code)
            if told.commit:
                self.send_header("X-Repo-Commit", told.commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Type", "application/octet-stream" if told.body is content else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

        def _stream(self, lines: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for line in lines:
                self.wfile.write(line)
                self.wfile.flush()
            self.close_connection = True

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as hub.url:
        yield hub
