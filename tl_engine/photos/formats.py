"""Which picture files are taken: the one table that opening, scanning, collecting and downloading read. No torch here.

A file is what its first bytes say, whatever its name.
"""

from dataclasses import dataclass

START = 64  # bytes of a file that tell its format
MEGAPIXEL = 1_000_000
MOST_MEMORY = 300_000_000  # bytes that decoding one picture may take


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFormat:
    """One kind of file."""

    name: str  # as Pillow calls it
    label: str  # as people call it
    suffix: str  # that files written here get
    more_suffixes: tuple[str, ...] = ()  # that people's files have besides
    starts: tuple[bytes, ...]
    at: int = 0  # where in the file `starts` lie
    cost: int = 4  # bytes of memory that each decoded pixel takes while it is decoded, measured
    apart: bool = False  # decoded in a process of its own
    fraction: bool = False  # decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the cost

    @property
    def most_pixels(self) -> int:
        """How many may be decoded of one picture, whole megapixels."""
        return min(50, MOST_MEMORY // self.cost // MEGAPIXEL) * MEGAPIXEL

    def begins(self, start: bytes) -> bool:
        """Whether a file that begins like this is one of these."""
        return start.startswith(self.starts, self.at)


HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
FORMATS = (
    PhotoFormat(
        name="JPEG",
        label="JPEG",
        suffix=".jpg",
        more_suffixes=(".jpeg", ".jpe", ".jfif", ".mpo"),
        starts=(b"\xff\xd8\xff",),
        fraction=True,
    ),
    PhotoFormat(name="PNG", label="PNG", suffix=".png", starts=(b"\x89PNG",)),
    PhotoFormat(name="WEBP", label="WebP", suffix=".webp", starts=(b"WEBP",), at=8, cost=16),
    PhotoFormat(
        name="HEIF",
        label="HEIC",
        suffix=".heic",
        more_suffixes=(".heif", ".hif"),
        starts=HEIC_BRANDS,
        at=8,
        cost=5,
        apart=True,
    ),
    PhotoFormat(name="AVIF", label="AVIF", suffix=".avif", starts=(b"avif", b"avis"), at=8, cost=10, apart=True),
    PhotoFormat(name="BMP", label="BMP", suffix=".bmp", starts=(b"BM",)),
    PhotoFormat(name="GIF", label="GIF", suffix=".gif", starts=(b"GIF8",)),
)
PHOTO_SUFFIXES = frozenset(suffix for row in FORMATS for suffix in (row.suffix, *row.more_suffixes))  # lower case
LABELS = ", ".join(row.label for row in FORMATS[:-1]) + f" or {FORMATS[-1].label}"


def format_of(start: bytes) -> PhotoFormat | None:
    """The format of a file by its first START bytes; None for what is not taken."""
    if start[4:8] == b"ftyp":
        return _of_brands(start)
    return next((row for row in FORMATS if row.begins(start) and not row.apart), None)


def _of_brands(start: bytes) -> PhotoFormat | None:
    """HEIC and AVIF share their container; the brands say which it is, and a general one may come first."""
    length = int.from_bytes(start[:4], "big")
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, min(length, len(start)), 4))]
    apart = [row for row in reversed(FORMATS) if row.apart]  # AVIF first: it calls itself general HEIF too
    return next((row for row in apart if set(brands) & set(row.starts)), None)
