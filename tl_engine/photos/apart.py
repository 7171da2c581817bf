"""HEIC and AVIF, decoded in a process of its own, so that a decoder's crash or hang ends nothing else. No torch here.

Both sides of one conversation: a line of json and the file's bytes go in, a line of json and RGB pixels come out.
`Decoders` is the side that asks; run as a program, this module answers until its stdin closes.
"""

import contextlib
import faulthandler
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.photos.formats import PhotoFormat
from tl_engine.photos.photo_file import damaged
from tl_engine.photos.pixels import finished

SECONDS = 20.0  # a photo of 48 megapixels takes two; whoever takes longer is ended
MEMORY = 700_000_000  # bytes that a decoding process may take for one picture, whatever the picture claims
THREADS = 2  # of one decoder; each has a stack of several megabytes
MISSING, CUT_SHORT, DAMAGED = "no decoder", "cut short", "damaged"  # what an answer without a picture says
MOST_AT_ONCE = min(4, os.cpu_count() or 1)
NAME = __name__  # as `python -m` knows this module
TOP = Path(__file__).resolve().parents[NAME.count(".")]


class Decoders:
    """Processes that decode, started when needed and kept. Safe to share between threads and to fork."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds  # for one picture, with the start of its process
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)  # two processes must not talk into one pipe

    def _forget(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)

    def decode(self, content: bytes, kind: PhotoFormat, name: str, short_side: int | None) -> Image.Image:
        """The picture as `finished` makes it. Raises ImageError, also when its process ends or takes too long."""
        with self._free:
            process = self._taken()
            try:
                picture = _asked(process, {"format": kind.name, "short_side": short_side}, content, self._seconds)
            except (OSError, ValueError):
                process.kill()
                process.wait()
                raise damaged(name) from None
            except BaseException:  # in the middle of an answer, nobody can use it again
                process.kill()
                raise
            self._idle.append(process)
        if picture == MISSING:
            raise ImageError(f"{name} is {kind.label}, which this computer cannot decode: install requirements.txt.")
        if isinstance(picture, str):
            raise damaged(name, picture == CUT_SHORT)
        return picture

    def _taken(self) -> "subprocess.Popen[bytes]":
        """One in waiting that still lives, or a new one."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was faster
                process = self._idle.pop()
                if process.poll() is None:
                    return process
        paths = os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", NAME],
            env=os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the one that asks
        )


def _asked(
    process: "subprocess.Popen[bytes]", question: dict[str, Any], content: bytes, seconds: float
) -> Image.Image | str:
    """The picture, or what is wrong with it. Raises OSError or ValueError when the process does not answer."""
    if process.stdin is None or process.stdout is None:
        raise OSError("no pipes")
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(json.dumps(question | {"bytes": len(content)}).encode() + b"\n" + content)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "problem" in answer:
            return str(answer["problem"])
        width, height = answer["size"]
        return Image.frombytes("RGB", (width, height), process.stdout.read(width * height * 3))
    finally:
        timer.cancel()


def answer_all(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Decode whatever is asked until nobody asks any more."""
    while line := questions.readline():
        question = json.loads(line)
        content = questions.read(question["bytes"])
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)  # should the one who asked be gone
        try:
            picture = _decoded(content, question["format"], question["short_side"])
            answers.write(json.dumps({"size": picture.size}).encode() + b"\n" + picture.tobytes())
        except Exception as error:
            problem = CUT_SHORT if "truncated" in str(error).lower() else DAMAGED
            problem = MISSING if isinstance(error, ImportError) else problem
            answers.write(json.dumps({"problem": problem}).encode() + b"\n")
        faulthandler.cancel_dump_traceback_later()
        answers.flush()


def _decoded(content: bytes, kind: str, short_side: int | None) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # whoever asks has looked at the size
    if kind == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
        with AvifImagePlugin.AvifImageFile(io.BytesIO(content)) as image:
            image.load()
            return finished(image, image.info, short_side)
    import pi_heif

    pi_heif.options.DECODE_THREADS = THREADS
    heif = pi_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True)
    return finished(HeifRows(heif.data, heif.size, heif.mode, heif.stride), {}, short_side)  # upright already


@dataclass(frozen=True, slots=True)
class HeifRows:
    """What libheif decoded, without a copy of it: 48 megapixels are 150 MB."""

    data: memoryview
    size: tuple[int, int]
    mode: str
    stride: int  # bytes of a row

    @property
    def has_transparency_data(self) -> bool:
        """Whether it has alpha."""
        return self.mode.endswith("A")

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Whole rows: left and right are the picture's own."""
        rows = bytes(self.data[box[1] * self.stride : box[3] * self.stride])
        return Image.frombuffer(self.mode, (self.size[0], box[3] - box[1]), rows, "raw", self.mode, self.stride, 1)


def _limit_memory() -> None:
    """To what this process has now, its libraries, and MEMORY."""
    if sys.platform == "linux":
        import resource

        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        with contextlib.suppress(ValueError, OSError):  # a host may have set less
            resource.setrlimit(resource.RLIMIT_AS, (has + MEMORY, has + MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    _limit_memory()
    answer_all(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
