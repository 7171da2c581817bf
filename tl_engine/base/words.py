"""How numbers, times and names are put into words, the same on the page and in the terminal."""

import time

FEW = 30  # judged photos; a share of fewer says more than they can


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 photo`, `1,797 photos`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`8 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """`8 s`, `2 min`, `1 h`: a round duration, without what it has nothing of."""
    return duration(seconds).removesuffix(" 0 s").removesuffix(" 0 min")


def clock(at: float) -> str:
    """`21 Nov, 14:05`, in the server's time."""
    return time.strftime("%d %b, %H:%M", time.localtime(at)).lstrip("0")


def percent(fraction: float) -> str:
    """`94.8 %`."""
    return f"{fraction * 100:.1f} %"


def score(fraction: float, judged: int) -> str:
    """How many were right: `4 of 4 right` of few photos, a percentage of many, or of a number nobody knows (0)."""
    return f"{round(fraction * judged)} of {judged} right" if 0 < judged < FEW else percent(fraction)


def size_words(number: int) -> str:
    """A number of bytes: `310 kB`, `4.2 MB`."""
    kilobytes = round(number / 1000)
    return f"{kilobytes} kB" if kilobytes < 1000 else f"{number / 1e6:,.1f} MB"


def harmless(cell: object) -> str:
    """A cell that a spreadsheet shows instead of running."""
    shown = "" if cell is None or cell != cell else str(cell)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@", "\t", "\r")) else shown
