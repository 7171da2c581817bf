"""The names in a zip as text, whatever system wrote them: what the zip says is honoured, a doubt is a Question.

Zips hold names as bytes. A flag says UTF-8, or a field beside the name repeats it in UTF-8; without either the bytes
are in the encoding of whoever packed them, which nothing in the zip tells. No torch here.
"""

import codecs
import contextlib
import re
import string
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice

from tl_engine.base.errors import DataError, Question
from tl_engine.base.names import visible
from tl_engine.base.written import AUTO

OPTION = "zip_names"  # the field of Reading that answers
UTF8, UTF8_FLAG = "utf-8", 0x800
UNICODE_PATH = 0x7075  # Info-ZIP's field: version 1, the checksum of the raw name, the name in UTF-8
ZIPFILES_OWN = "cp437"  # how zipfile reads unflagged names: one character for each byte, so the bytes come back
PLAIN = string.ascii_letters + string.digits + "/.-_"  # what an encoding of file names leaves as it is
# Python's names of the encodings that systems write zips in. Where the detector sees no difference, the first wins.
ENCODINGS = (
    *("gbk", "cp932", "cp949", "big5", ZIPFILES_OWN, "cp850", "cp1252", "cp1251", "cp866", "cp852", "cp1250"),
    *("cp857", "cp1254", "cp862", "cp1255", "cp737", "cp1253", "cp1256", "cp720", "cp775", "cp1257", "cp874", "cp1258"),
)
BY_CHANCE = 2  # so many different characters of other encodings look like UTF-8 in 3 % of cases, three in 0.6 %
TWO_BYTES_END = "\u0800"  # from here on UTF-8 takes three bytes, which no chance makes
WORD = re.compile(r"[a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]")  # a special letter within a word, as in Rosé
PER_PLACE = 0.01  # how much messier text may look in one encoding before the next in the list is likelier
MOST_READINGS = 8  # offered in one question
MOST_NAMES = 5  # shown of each reading
MOST_SAMPLES = 1_000  # names that the detector looks at
SHOWN = 40  # characters of a reading in the sentence


def shown(name: str) -> str:
    """A name as one short line, with ? for what cannot be seen."""
    line = visible(name)
    return line if len(line) <= 80 else f"{line[:60]}..."


def encoding_called(name: str) -> str:
    """The one name that Python has for an encoding of file names, or AUTO for AUTO. Raises DataError."""
    try:
        if name == AUTO or PLAIN.encode().decode(name) == PLAIN:
            return name if name == AUTO else codecs.lookup(name).name
    except (LookupError, ValueError):  # unknown, or none that turns bytes into text
        pass
    raise DataError(f"--zip-names {shown(name)!r} is no encoding of file names: name one such as gbk, cp866 or utf-8.")


def entry_paths(entries: Sequence[zipfile.ZipInfo], archive: str, encoding: str = AUTO) -> list[str]:
    """The path of each entry as text in NFC, with / between folders; folders themselves end with /.

    `archive` is the zip's name for sentences. Raises Question where `encoding` is AUTO and the names do not tell
    theirs, DataError where they are not in the encoding given.
    """
    said = [_said(entry) for entry in entries]
    doubtful = list(dict.fromkeys(name for name in said if isinstance(name, bytes)))
    chosen = _encoding(doubtful, archive, encoding) if doubtful else ZIPFILES_OWN
    return [_with_slashes(name.decode(chosen) if isinstance(name, bytes) else name) for name in said]


def _said(entry: zipfile.ZipInfo) -> str | bytes:
    """The name, as bytes where the zip does not say how they read."""
    if entry.flag_bits & UTF8_FLAG or entry.orig_filename.isascii():
        return entry.orig_filename
    raw = entry.orig_filename.encode(ZIPFILES_OWN)
    return _unicode_path(entry.extra, raw) or raw


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Info-ZIP's second name, unless it was written for another first one than `raw`."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and field[:5] == struct.pack("<BI", 1, zlib.crc32(raw)):
            with contextlib.suppress(UnicodeDecodeError):
                return field[5:].decode() or None
    return None


def _with_slashes(name: str) -> str:
    r"""Windows' PowerShell 5 writes cats\1.jpg; only decoded text tells a separator from half a letter."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _encoding(names: Sequence[bytes], archive: str, asked: str) -> str:
    """The encoding of all these names: one zip was packed on one system."""
    if asked != AUTO:
        encoding = encoding_called(asked)
        if not _decodes(names, encoding):
            raise DataError(f"The names in {archive} are not in {encoding}: choose another encoding for --zip-names.")
        return encoding
    if _decodes(names, UTF8) and not _by_chance(names):  # Finder, and zip on Linux
        return UTF8
    raise _question(names, archive)


def _by_chance(names: Sequence[bytes]) -> bool:
    """Whether the names are too few to be sure of UTF-8: the one name 猫 in GBK has the bytes of è in UTF-8."""
    telling = list(_telling(name.decode(UTF8) for name in names))
    special = {character for part in telling for character in part if not character.isascii()}
    return len(special) <= BY_CHANCE and max(special) < TWO_BYTES_END and not any(map(WORD.search, telling))


def _decodes(names: Iterable[bytes], encoding: str) -> bool:
    try:
        return all(name.decode(encoding) is not None for name in names)
    except UnicodeError:
        return False


def _question(names: Sequence[bytes], archive: str) -> Question:
    readings = _readings(names)
    first = next(iter(readings))
    short = [f"{text[:SHOWN]} ({encoding})" for encoding, text in islice(readings.items(), 2)]
    return Question(
        f"{archive} does not say how its names are written, they may read {' or '.join(short)}: "
        f"choose with --zip-names {first}, or another encoding.",
        OPTION,
        readings,
    )


def _readings(names: Sequence[bytes]) -> dict[str, str]:
    """Encoding -> the first folders as they would read in it, the likeliest first, zipfile's own always among them."""
    readings: dict[str, str] = {}
    for encoding in ([UTF8] if _decodes(names, UTF8) else []) + _likeliest(names):
        text = _reading(names, encoding)
        if text.isprintable() and text not in readings.values():
            readings[encoding] = text
    best = dict(islice(readings.items(), MOST_READINGS - 1))
    return best | {ZIPFILES_OWN: _reading(names, ZIPFILES_OWN)}


def _likeliest(names: Sequence[bytes]) -> list[str]:
    """The encodings that all the names may be in, those first in which they look most like text."""
    from charset_normalizer import from_bytes  # 20 ms that few zips are worth

    raw = _telling(name.decode("latin-1") for name in names)
    sample = "\n".join(islice(raw, MOST_SAMPLES)).encode("latin-1")
    possible = [encoding for encoding in ENCODINGS if _decodes(names, encoding)]
    found = from_bytes(sample, threshold=1.0, cp_isolation=possible, preemptive_behaviour=False, enable_fallback=False)
    mess = {name: match.chaos + _oddity(str(match)) for match in found for name in match.could_be_from_charset}
    return sorted(
        mess.keys() & set(possible), key=lambda encoding: mess[encoding] + PER_PLACE * ENCODINGS.index(encoding)
    )


def _oddity(text: str) -> float:
    """The share of the characters beyond ASCII that are no letters: nobody names a class with lines or currencies."""
    special = [unicodedata.category(c)[0] for c in text if not c.isascii()]
    return sum(kind not in "LM" for kind in special) / max(1, len(special))


def _reading(names: Iterable[bytes], encoding: str) -> str:
    telling = _telling(_with_slashes(name.decode(encoding)) for name in names)
    return ", ".join(shown(part) for part in islice(telling, MOST_NAMES))


def _telling(paths: Iterable[str]) -> Iterable[str]:
    """The different folder names that need decoding; where there are none, the file names."""
    split = [path.split("/") for path in paths]
    folders = dict.fromkeys(part for parts in split for part in parts[:-1] if not part.isascii())
    return folders or dict.fromkeys(parts[-1] for parts in split)
