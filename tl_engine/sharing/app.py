"""The app's side of a check: what it says of photos. By the classifier itself, or, where it saw these very photos with
the same frozen backbone before, by those features and the head that stands on them now."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from tl_engine.base.errors import ImageError
from tl_engine.base.files import file_hash
from tl_engine.base.parallel import batched, in_order
from tl_engine.base.settings import Settings
from tl_engine.classifiers.answers import Answer, Seen, answer
from tl_engine.classifiers.reference import Reference, reference_of
from tl_engine.evaluation.calibration import softmax
from tl_engine.graphs.graph import HEAD, Tensors, is_linear
from tl_engine.graphs.kept import BY_APP, BY_PROGRAM, Kept
from tl_engine.graphs.program import Head, head_of, with_head
from tl_engine.networks.preprocessing import Preprocess
from tl_engine.runs.meta import Meta
from tl_engine.sharing.verify import MOST_PHOTOS, MOST_SLOW, a_few

if TYPE_CHECKING:
    from tl_engine.classifiers.predictor import Predictor

BATCH = 32
Pixels = NDArray[np.uint8]  # (S, S, 3), what the network sees of a photo
Rows = NDArray[np.float32]


class App(ABC):
    """What an export is compared with."""

    classes: tuple[str, ...]
    preprocess: Preprocess
    reference: Reference | None
    most_bytes: int
    asked_of_copies: int  # photos that smaller copies of the graph are asked about, at most

    @abstractmethod
    def answers(self, paths: Sequence[Path]) -> list[Answer]:
        """What it says of each photo."""

    @abstractmethod
    def exported(self, to: Path, paths: Sequence[Path]) -> Rows:
        """Write the network as torch.export keeps it; what that says of each photo (N, C), read again."""

    @abstractmethod
    def chosen(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the photos that the export is asked about."""

    def pixels(self, paths: Sequence[Path]) -> list[Pixels]:
        """What it sees of photos that it can read. Raises ImageError."""
        return list(in_order(self._view, paths))

    def _view(self, path: Path) -> Pixels:
        return np.asarray(self.preprocess.view(self.preprocess.open(path, most_bytes=self.most_bytes)))


class Loaded(App):
    """The classifier itself. Leaves to the next export what it saw with a backbone that is frozen."""

    asked_of_copies = MOST_PHOTOS

    def __init__(self, predictor: "Predictor", kept: Kept | None, head: Tensors | None) -> None:
        self.predictor, self.kept = predictor, kept
        self.head = _linear(head, predictor.temperature) if head else None
        self.views: dict[Path, Pixels] = {}
        self.classes, self.preprocess = predictor.classes, predictor.preprocess
        self.reference, self.most_bytes = predictor.reference, predictor.most_bytes

    @classmethod
    def load(cls, classifier: Path, settings: Settings, kept: Kept | None, head: Tensors | None) -> Self:
        """That of the folder. Raises RunError or WeightsError."""
        from tl_engine.classifiers.predictor import Predictor  # torch takes seconds

        return cls(Predictor.load(classifier, settings), kept, head)

    def chosen(self, paths: Sequence[Path]) -> list[Path]:
        """Those that it can read: a photo may have been damaged since it judged."""
        self.views = {path: pixels for path, pixels in in_order(self._tried, paths) if pixels is not None}
        return list(self.views)

    def _tried(self, path: Path) -> tuple[Path, Pixels | None]:
        try:
            return path, self._view(path)
        except ImageError:
            return path, None

    def pixels(self, paths: Sequence[Path]) -> list[Pixels]:
        """What it sees of photos that it read."""
        return [self.views[path] for path in paths]

    def answers(self, paths: Sequence[Path]) -> list[Answer]:
        """What it says of each photo."""
        pixels = self.pixels(paths)
        looked = [self.predictor.look(np.stack(batch)) for batch in batched(pixels, BATCH)]
        self._keep(BY_APP, paths, np.concatenate([seen.features for seen in looked]))
        return [self.predictor.answered(seen.row(row)) for seen in looked for row in range(len(seen.features))]

    def exported(self, to: Path, paths: Sequence[Path]) -> Rows:
        """Write the network as torch.export keeps it; what that says of each photo (N, C), read again."""
        from tl_engine.graphs.traced import said_by_exported, save_exported

        known = _recorded(self.kept, self.head) if self.kept and self.head else None
        if known:
            to.write_bytes(known)
        else:
            save_exported(self.predictor, to)
        said, given = said_by_exported(to, self.pixels(paths))
        if self.kept and self.head and given is not None:
            self._keep(BY_PROGRAM, paths, given)
            if not known:
                _keep_program(self.kept, self.head, to.read_bytes())
        return said

    def recorded(self) -> bytes:
        """The network as an ONNX file."""
        from tl_engine.graphs.traced import Deployed, as_onnx, recorded

        return as_onnx(recorded(Deployed(self.predictor)))

    def lite(self, to: Path, paths: Sequence[Path]) -> Rows:
        """Write the network for LiteRT; what that says of each photo (N, C)."""
        from tl_engine.graphs.traced import said_by_lite, save_lite

        save_lite(self.predictor, to)
        return said_by_lite(to, self.pixels(paths))

    def _keep(self, whose: str, paths: Sequence[Path], rows: Rows) -> None:
        if self.kept and self.head:
            with contextlib.suppress(OSError):  # a photo has gone meanwhile: nothing is left, and nothing lost
                self.kept.add_features(whose, [file_hash(path) for path in paths], rows)


class Remembered(App):
    """What the app saw of photos when another head on the same backbone was exported, under the head of now.

    That export's graph and copies, the same but for the head, were asked about all photos: some are enough.
    """

    asked_of_copies = MOST_SLOW // 3

    def __init__(self, classifier: Path, meta: Meta, settings: Settings, head: Head, seen: "_Seen") -> None:
        self.classes, self.preprocess = meta.classes, Preprocess.from_dict(meta.preprocessing)
        self.most_bytes = settings.limits.image_bytes
        reference = reference_of(classifier)
        self.reference = reference if reference and reference.fits(len(meta.classes)) else None
        self.head, self.seen = head, seen

    @classmethod
    def of(
        cls, classifier: Path, meta: Meta, settings: Settings, kept: Kept, tensors: Tensors, paths: Sequence[Path]
    ) -> Self | None:
        """That of a classifier, if all of it is there: what was seen of these photos, and a program for its head."""
        head = _linear(tensors, meta.temperature)
        if head is None or len(head[1]) != len(meta.classes):
            return None
        seen = _Seen.of(kept, head, a_few(paths, MOST_SLOW))
        return cls(classifier, meta, settings, head, seen) if seen else None

    def chosen(self, paths: Sequence[Path]) -> list[Path]:
        """Some of them."""
        return a_few(paths, MOST_SLOW)

    def answers(self, paths: Sequence[Path]) -> list[Answer]:
        """What it says of each photo."""
        rows = np.stack([self.seen.by_app[path] for path in paths])
        weight, bias, temperature = self.head
        logits = rows @ weight.T + bias
        seen = Seen(_softmax(logits, temperature), _softmax(logits), rows)
        return [answer(seen.row(row), self.classes, self.reference) for row in range(len(rows))]

    def exported(self, to: Path, paths: Sequence[Path]) -> Rows:
        """Write the program that was recorded, with the head of now; what comes of the head that is in the file."""
        to.write_bytes(self.seen.program)
        weight, bias, temperature = head_of(to.read_bytes())
        rows = np.stack([self.seen.by_program[path] for path in paths])
        return _softmax(rows @ weight.T + bias, temperature)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of the photos that are asked about, and the program that saw some of them."""

    by_app: Mapping[Path, Rows]  # (D,) each
    by_program: Mapping[Path, Rows]
    program: bytes  # with the head of now

    @classmethod
    def of(cls, kept: Kept, head: Head, paths: Sequence[Path]) -> Self | None:
        """That of an earlier export; None unless all of it is there."""
        with contextlib.suppress(OSError):
            digests = [file_hash(path) for path in paths]
            by_app, by_program = kept.features(BY_APP, digests), kept.features(BY_PROGRAM, digests)
            program = _recorded(kept, head)
            if by_app is not None and by_program is not None and program and by_app.shape[1] == head[0].shape[1]:
                return cls(dict(zip(paths, by_app, strict=True)), dict(zip(paths, by_program, strict=True)), program)
        return None


def _linear(tensors: Tensors, temperature: float) -> Head | None:
    """The head with its temperature, if it is one linear layer."""
    if not is_linear(tensors):
        return None
    weight, bias = (np.ascontiguousarray(tensors[HEAD + name], np.float32) for name in ("weight", "bias"))
    return weight, bias, np.array(temperature, np.float32)


def _recorded(kept: Kept, head: Head) -> bytes | None:
    """The program of an earlier export with that head in it; None where there is none that it fits."""
    program = kept.read(_program(head))
    return with_head(program, head) if program else None


def _keep_program(kept: Kept, head: Head, program: bytes) -> None:
    """Keep it without the numbers of its head: they are somebody's."""
    blank = with_head(program, (np.zeros_like(head[0]), np.zeros_like(head[1]), np.ones_like(head[2])))
    if blank:
        kept.add(_program(head), blank)


def _program(head: Head) -> str:
    """What a backbone's program is kept under: the number of classes is part of it."""
    return f"{len(head[1])}-classes.pt2"


def _softmax(logits: Rows, temperature: "float | Rows" = 1.0) -> Rows:
    return softmax(logits, float(temperature)).astype(np.float32)
