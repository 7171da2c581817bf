"""A classifier as a page that needs no server: a folder to put anywhere, or one file that opens from the disk.

Both hold all they need and ask nobody else for anything: their Content-Security-Policy forbids it.
"""

import base64
import gzip
import hashlib
import html
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tl_engine.base.errors import DataError
from tl_engine.base.files import appearing, make_parent, temporary
from tl_engine.base.settings import PROJECT
from tl_engine.base.written import written_json
from tl_engine.sharing.web_runtime import RELEASE, WebRuntime

FORMAT = 1  # of classifier.json
ABOUT, SINGLE, INDEX, LICENCE = "classifier.json", "classifier.html", "index.html", "LICENSE-onnxruntime.txt"
PAGE = Path(__file__).parent / "page"
SCRIPTS = ("pillow.js", "png.js", "reading.js", "classify.js")  # each needs only those before it
COPIED = ("style.css", *SCRIPTS, LICENCE)
MARK = '<meta name="generator" content="tl_engine page">'  # in the first lines of each page that was written here
FROM_DISK = f'if (location.protocol === "file:") location.replace("{SINGLE}");'
LINKED = '<link rel="stylesheet" href="style.css">\n<script type="module" src="classify.js"></script>'


def write_page(source: Path, folder: Path, runtime: WebRuntime) -> list[Path]:
    """The page as a folder, whole or not at all: its files. `source` holds classifier.json and the model it names.

    An earlier page in `folder` is replaced. Raises DataError where `folder` holds anything else, where `source` is not
    what it should be, and where there is no room.
    """
    about = _about(source)
    _refuse_others(folder)
    _publish(folder, lambda partial: _fill(partial, source, about, runtime))
    return sorted(folder.iterdir())


def write_single(source: Path, file: Path, runtime: WebRuntime) -> Path:
    """The page as one file that opens from the disk, whole or not at all; it replaces an earlier one.

    Raises DataError as `write_page` does.
    """
    about = _about(source)
    if file.exists() and not (file.is_file() and _is_ours(file)):
        raise DataError(f"{file.name} is there already and is no page of a classifier: name another file.")
    make_parent(file.parent)
    try:
        with appearing(file) as partial:
            partial.write_text(_single(source, about, runtime), encoding="utf-8")
    except OSError as error:
        raise _unwritten(file, error) from None
    return file


def _about(source: Path) -> dict[str, Any]:
    """What classifier.json says. Raises DataError."""
    try:
        about = written_json(source / ABOUT)
    except ValueError as error:
        raise DataError(f"{ABOUT} of {source.name} cannot be read ({error}): export the classifier again.") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DataError(f"{ABOUT} of {source.name} is not of format {FORMAT}: export the classifier again.")
    model, classes = about.get("model"), about.get("classes")
    plain = isinstance(model, str) and re.fullmatch(r"[\w-][\w.-]*", model) and model not in _names("")
    if not plain or not (source / str(model)).is_file():
        raise DataError(f"The model {str(model)[:60]!r} is not beside {ABOUT}: export the classifier again.")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{ABOUT} of {source.name} names no classes: export the classifier again.")
    return about


def _names(model: str) -> set[str]:
    """Of all files of a page."""
    return {INDEX, SINGLE, ABOUT, "LICENSE", model, *COPIED, *(part.name for part in RELEASE.parts)}


def _is_ours(page: Path) -> bool:
    with page.open("rb") as file:
        return MARK.encode() in file.read(2_000)


def _refuse_others(folder: Path) -> None:
    """Nothing of anybody's is replaced but an earlier page. Raises DataError."""
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    if not names:
        return
    try:
        ours = _is_ours(folder / INDEX) and names <= _names(written_json(folder / ABOUT)["model"])
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise DataError(f"The folder {folder.name} holds something else than an earlier page: name another folder.")


def _publish(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside `folder`, then put it in its place; an earlier one stays until then."""
    make_parent(folder.parent)
    with temporary(folder.parent) as place:
        partial, earlier = Path(place, "page"), Path(place, "earlier")
        try:
            partial.mkdir()
            fill(partial)
            if folder.exists():
                os.replace(folder, earlier)
            os.replace(partial, folder)
        except OSError as error:
            if earlier.exists():
                os.replace(earlier, folder)
            raise _unwritten(folder, error) from None


def _unwritten(path: Path, error: OSError) -> DataError:
    return DataError(f"The page {path.name} could not be written ({error.strerror}): make room or name another place.")


def _fill(folder: Path, source: Path, about: dict[str, Any], runtime: WebRuntime) -> None:
    for name in COPIED:
        shutil.copyfile(PAGE / name, folder / name)
    for name in (ABOUT, about["model"]):
        shutil.copyfile(source / name, folder / name)
    for path, part in zip((runtime.module, runtime.wasm), RELEASE.parts, strict=True):
        shutil.copyfile(path, folder / part.name)
    if (PROJECT / "LICENSE").is_file():  # of the page's own files
        shutil.copyfile(PROJECT / "LICENSE", folder / "LICENSE")
    policy = f"script-src 'self' 'wasm-unsafe-eval' {_hash(FROM_DISK)}; style-src 'self'; connect-src 'self'"
    (folder / INDEX).write_text(
        _page(
            about,
            policy=policy,
            size=runtime.wasm.stat().st_size + (source / about["model"]).stat().st_size,
            head=f"<script>{FROM_DISK}</script>\n{LINKED}",
        ),
        encoding="utf-8",
    )
    (folder / SINGLE).write_text(_single(source, about, runtime), encoding="utf-8")


def _single(source: Path, about: dict[str, Any], runtime: WebRuntime) -> str:
    style, script = (PAGE / "style.css").read_text(encoding="utf-8"), _one_script()
    wasm, model = runtime.wasm.read_bytes(), (source / about["model"]).read_bytes()
    licence = (PAGE / LICENCE).read_text(encoding="utf-8")
    body = [
        f'<script type="application/json" id="classifier">{_escaped(about)}</script>',
        *(
            f'<script type="text/plain" id="{name}">{_packed(content)}</script>'
            for name, content in (("ort", runtime.module.read_bytes()), ("wasm", wasm), ("model", model))
        ),
        f"<!--\n{licence}-->",
        f'<script type="module">{script}</script>',
    ]
    return _page(
        about,
        policy=f"script-src {_hash(script)} blob: 'wasm-unsafe-eval'; style-src {_hash(style)}",
        size=len(wasm) + len(model),
        head=f"<style>{style}</style>",
        body="\n".join(body),
    )


def _page(about: dict[str, Any], *, policy: str, size: int, head: str, body: str = "") -> str:
    forbidden = f"default-src 'none'; {policy}; img-src data:; base-uri 'none'; form-action 'none'"
    title = html.escape(str(about.get("title") or "A classifier"))
    parts = {"policy": forbidden, "title": title, "bytes": str(size), "head": head, "body": body}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PAGE / INDEX).read_text(encoding="utf-8"))


def _one_script() -> str:
    """All modules in one: what they take from each other they then have."""
    texts = ((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return "\n".join(re.sub(r"^import .*\n|^export ", "", text, flags=re.MULTILINE) for text in texts)


def _escaped(values: dict[str, Any]) -> str:
    """json that ends no script element and begins no comment in it, whatever a class is called."""
    return json.dumps(values).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
