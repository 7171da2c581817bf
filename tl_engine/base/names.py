"""Names of files, folders and classes: what is readable, what a class may be called, what is nobody's photo."""

import re
import unicodedata
from collections.abc import Sequence

FILE_NAME_BYTES = 255  # of one file or folder; no file system takes more
NAME_BYTES = 240  # of a class folder's name
CLASS_NAME_LENGTH = 120  # characters
TITLE_LENGTH = 60  # characters of what a person calls a data set or a run
NOTE_LENGTH = 500  # characters of what a person notes down about a run
TITLE = ".title"  # in a collection's folder: what the person calls it
LEFT_OUT_FILE = ".left-out.json"  # in the folder of a zip: which of its members could not be taken, and why
REMOVED = ".removed"  # a folder in that of a collection: what was taken out last, while that can be undone
POOLED = ".pooled"  # in a collection's folder: its photos are copies of other people's, named by their content
OWN_FILES = frozenset((TITLE, LEFT_OUT_FILE, REMOVED, POOLED))  # ours, beside a person's photos

# What systems, NAS boxes, galleries, synchronisers and editors leave among photos, in lower case, one or more a line.
LEAVINGS = """
__macosx, .ds_store, .appledouble, .appledb, .appledesktop, .lsoverride, .apdisk, .localized, .spotlight-v100
.fseventsd, .temporaryitems, temporary items, network trash folder, .documentrevisions-v100, .volumeicon.icns
.mobilebackups, ipod photo cache
thumbs.db, ehthumbs.db, ehthumbs_vista.db, desktop.ini, $recycle.bin, system volume information, found.000, _vti_cnf
@eadir, #recycle, #snapshot, @tmp, @sharebin, .synologyworkingdirectory
@recycle, @recently-snapshot, @transcode, .streams
.picasa.ini, picasa.ini, .picasaoriginals, .thumbnails, .thumbs, .comments, .xvpics, .nomedia
.dtrash, digikam4.db, thumbnails-digikam.db, recognition.db, similarity.db, zbthumbnail.info, pspbrwse.jbf, .pspautosave
lost+found, .directory, .cache, .stfolder, .stversions, .dropbox, .dropbox.cache, .syncing_db
.ipynb_checkpoints, __pycache__, .git, .gitignore, .gitattributes, .gitkeep, .svn, .hg, .idea, .vscode
"""
JUNK = frozenset(re.split(r"[,\n] *", LEAVINGS.strip())) | {"icon\r"}
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # marks of direction
JUNK_STARTS = ("._", ".@__", ".trash", ".nfs", ".fuse_hidden", "~$", ".~lock.")
JUNK_ENDS = ("@synoeastream", "@synoresource")


def is_junk(name: str) -> bool:
    """Whether a system or a program left this file or folder behind; capitals do not matter."""
    lower = name.lower()
    return lower in JUNK or lower.startswith(JUNK_STARTS) or lower.endswith(JUNK_ENDS)


def slug(name: str, most: int = 60, otherwise: str = "data") -> str:
    """A name as part of a file's name that every system takes: ASCII letters, digits and dashes."""
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in name)[:most].strip("-")
    return plain or otherwise


def printable(name: str) -> str:
    """A file's name as one line: `?` for bytes that are no UTF-8, and for what moves a cursor or turns the writing."""
    return "".join("?" if c in TURNING or unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in _utf8(name))


def visible(name: str) -> str:
    """A stranger's name as one line, stricter than `printable`: `?` for whatever cannot be seen."""
    return "".join(c if c.isprintable() else "?" for c in name)


def _utf8(name: str) -> str:
    """With `?` for bytes that are no UTF-8, as old archives have them."""
    return name.encode("utf-8", "replace").decode("utf-8")


def is_utf8(name: str) -> bool:
    """Whether the name is text at all, and not bytes in some older encoding."""
    return _utf8(name) == name


def clean_class_name(folder: str) -> str:
    """A folder's name as text: NFC, one line, no control, bidi or zero-width characters."""
    plain = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in unicodedata.normalize("NFC", _utf8(folder))
        if unicodedata.category(c) != "Cf"
    )
    return re.sub(r"\s+", " ", plain).strip()


def plain_title(title: str, most: int = TITLE_LENGTH) -> str | None:
    """What a person calls something, made plain; None where that is nothing, or longer than `most` characters."""
    plain = clean_class_name(title) if isinstance(title, str) else ""
    return plain if plain and len(plain) <= most else None


def plain_note(note: str, most: int = NOTE_LENGTH) -> str | None:
    """Some lines that a person wrote, each made plain as a title is; None where that is longer than `most`."""
    if not isinstance(note, str):
        return None
    plain = "\n".join(clean_class_name(line) for line in note.splitlines()).strip()
    return plain if len(plain) <= most else None


def class_folder_names(names: Sequence[str]) -> list[str]:
    """For each class name from elsewhere, in order, a folder name that is safe anywhere and nobody else's."""
    taken: set[str] = set()
    folders = []
    for index, name in enumerate(names):
        plain = re.sub(r'[/\\<>:"|?*]', "-", clean_class_name(name)).lstrip(" .")
        plain = _short(plain, CLASS_NAME_LENGTH).rstrip(" .-")
        if not plain or is_junk(plain):
            plain = f"class {index}"
        folder, number = plain, 2
        while folder.lower() in taken:
            end = f" {number}"
            folder, number = _short(plain, CLASS_NAME_LENGTH - len(end)) + end, number + 1
        taken.add(folder.lower())
        folders.append(folder)
    return folders


def _short(name: str, characters: int) -> str:
    return name[:characters].encode()[:NAME_BYTES].decode(errors="ignore")
