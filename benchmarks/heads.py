"""How good and how fast what is learnt on frozen features is: `python -m benchmarks.heads --help`.

A program of its own: our solved head beside scikit-learn's logistic regression on a few photos, whole sets trained on,
networks as they are beside folded ones, and a cold training beside decoding once and forward once. Prints tables.
"""

import argparse
import copy
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from benchmarks.bench import PROJECT
from benchmarks.photos import pictures
from tl_engine import api
from tl_engine.base.errors import EngineError, RunError
from tl_engine.base.events import Note, RunEnded
from tl_engine.base.parallel import batched
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_path
from tl_engine.classifiers.solved_head import SolvedHead
from tl_engine.data.dataset import Record, without
from tl_engine.evaluation.calibration import fit_temperature, losses
from tl_engine.evaluation.report import read_report
from tl_engine.inspection.folds import make_folds
from tl_engine.networks.backbone import Backbone, prepare_backbone
from tl_engine.networks.embedder import Embedded, Embedder
from tl_engine.networks.folding import folded
from tl_engine.networks.models import flat_features
from tl_engine.networks.runtime import make_runtime
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.sources.intake import load_data

SHARED = PROJECT.parent / "shared"  # where the photos and weights lie that are not the project's own
PHOTO_SETS = ("hymenoptera", "cats_vs_dogs")
ARCHITECTURE = "efficientnet_lite0"
FEW, DRAWS = (2, 5, 10, 20), 10  # photos of each class, and how often so many are drawn
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # C of the logistic regression
USUAL, SOLVED = 1e-4, 1e-10  # tolerance of its solver: scikit-learn's own, and one at which nothing moves any more
STEPS, EPOCHS = 50, 25  # of our head on few photos; of the training that is timed
BATCH, THREADS = 32, 2
ROUNDS, FORWARDS, COLD_ROUNDS = 5, 3, 3  # rounds of networks, forwards in each, rounds of trainings
TARGETS = {"hymenoptera": (0.948, None), "cats_vs_dogs": (0.99, None), "digits": (0.94, 0.19)}  # accuracy, log loss
MOST_RATIO = 0.75  # of a cold training to decoding once and forward once
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Numbers = NDArray[np.float64]  # (draws,): more is better


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def reached(yes: bool) -> str:
    """A target's word."""
    return "yes" if yes else "**no**"


def missing(data: Path) -> str:
    """What of the photo sets is not there, in a sentence; empty where all is."""
    splits = [Path(name, split) for name in PHOTO_SETS for split in ("train", "val")]
    lost = [split.as_posix() for split in splits if len({p.parent for p in pictures(data / split)}) < 2]
    if not lost:
        return ""
    return (
        f"{data.name}/ has no class folders with photos in {', '.join(lost)}: name the folder of both sets by --data."
    )


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos of a set as the frozen backbone sees them."""

    embedded: Embedded
    records: tuple[Record, ...]
    features: NDArray[np.float32]  # (N, D), in the order of the records

    @classmethod
    def of(cls, folder: Path, settings: Settings) -> "Photos":
        """Those of a folder that can be read."""
        data = load_data(str(folder), settings)
        backbone = prepared(ARCHITECTURE, settings)
        looking = Embedder(backbone, make_runtime(backbone, settings), settings).look(data)
        embedded = watched(looking, lambda _event: None)
        records = without(data, embedded.unreadable).records
        return cls(embedded, records, flat_features(embedded.plain(records)).cpu().numpy())

    def rows(self, split: str) -> NDArray[np.int64]:
        """Where the photos of a split are."""
        return np.flatnonzero([record.split == split for record in self.records])

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of some photos."""
        return np.array([self.records[row].label for row in rows], np.int64)

    def drawn(self, each: int, seed: int) -> NDArray[np.int64]:
        """So many photos of each class of train, the same for the same seed."""
        train, random = self.rows("train"), np.random.default_rng(seed)
        labels = self.labels(train)
        return np.sort(np.concatenate([random.choice(train[labels == c], each, False) for c in np.unique(labels)]))


def prepared(name: str, settings: Settings) -> Backbone:
    """A backbone with its weights. Raises WeightsError."""
    return watched(prepare_backbone(name, settings), lambda _event: None)


def ours(photos: Photos, rows: NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Accuracy and log loss on val of our head, with the temperature that its folds say."""
    records, features, labels = [photos.records[row] for row in rows], photos.features[rows], photos.labels(rows)
    embedded, val = photos.embedded, photos.rows("val")
    folds = make_folds(records, embedded.hashes, embedded.tones(records), features, seed)
    numbers = torch.tensor(folds.number) if folds else None
    head = SolvedHead(torch.from_numpy(features)[None], torch.from_numpy(labels), int(labels.max()) + 1, folds=numbers)
    for _ in range(STEPS):
        head.step()
    judged = head.judged()
    temperature = 1.0 if judged is None else fit_temperature(judged.numpy(), labels)
    weight, bias = (part.numpy() for part in head.head())
    logits, wanted = photos.features[val] @ weight.T + bias, photos.labels(val)
    return float((logits.argmax(1) == wanted).mean()), float(losses(logits, wanted, temperature).mean())


def theirs(photos: Photos, rows: NDArray[np.int64], tolerance: float) -> tuple[float, float]:
    """The same of scikit-learn's logistic regression, with the C that the val photos themselves like best."""
    val, labels = photos.rows("val"), photos.labels(rows)
    features, wanted = photos.features.astype(np.float64), photos.labels(val)
    found = []
    for strength in STRENGTHS:
        fitted = LogisticRegression(C=strength, tol=tolerance, max_iter=100_000).fit(features[rows], labels)
        said = fitted.predict_proba(features[val])
        loss = -np.log(np.maximum(said[np.arange(len(val)), wanted], 1e-12)).mean()
        found.append((float(loss), float((said.argmax(1) == wanted).mean())))
    loss, accuracy = min(found)
    return accuracy, loss


def few(data: Path, settings: Settings) -> Iterator[str]:
    """Our head beside scikit-learn's on a few photos of each class."""
    rows: dict[int, list[list[str]]] = {0: [], 1: []}  # of the tables of accuracy and of log loss
    for name in PHOTO_SETS:
        photos = Photos.of(data / name, settings)
        for each in FEW:
            draws = [photos.drawn(each, seed) for seed in range(DRAWS)]
            our = np.array([ours(photos, drawn, seed) for seed, drawn in enumerate(draws)])
            usual, solved = (np.array([theirs(photos, drawn, t) for drawn in draws]) for t in (USUAL, SOLVED))
            for column, sign in ((0, 1), (1, -1)):
                cells = beside(sign * our[:, column], sign * usual[:, column], sign * solved[:, column])
                rows[column].append([name, str(each), *cells])
    yield (
        f"Few photos: {ARCHITECTURE}, means of {DRAWS} draws, judged by val. scikit-learn has in each draw the C that "
        f"val likes best; with its own tolerance ({USUAL}) it stops before its solution, so the same is beside it with "
        f"{SOLVED}. Gains are draw by draw, ± their standard error."
    )
    others = ("scikit-learn", "ours better by", "not behind", "scikit-learn, solved", "ours better by", "not behind")
    for column, what in enumerate(("accuracy", "log loss")):
        yield table(["data", "photos a class", f"{what}, ours", *others], rows[column])


def beside(our: Numbers, *others: Numbers) -> list[str]:
    """The mean of ours, and of each other: its mean, our gain draw by draw with its standard error, the verdict."""
    cells = [f"{abs(our.mean()):.3f}"]
    for other in others:
        gains = our - other
        error = gains.std(ddof=1) / len(gains) ** 0.5
        cells += [f"{abs(other.mean()):.3f}", f"{gains.mean():+.4f} ± {error:.4f}", reached(gains.mean() >= -1e-12)]
    return cells


def trained(config: TrainConfig, settings: Settings) -> tuple[RunEnded, str]:
    """A whole training in this process, and its precision. Raises RunError where it does not finish."""
    *events, ended = api.train(config, settings=settings)
    told = " ".join(event.message for event in events if isinstance(event, Note))
    precision = next((name for name in PRECISIONS if f"{name}:" in told), "unknown")
    if not isinstance(ended, RunEnded) or ended.state != "finished":
        raise RunError(f"The training of {Path(config.data).name} did not finish.")
    return ended, precision


def whole(data: Path, settings: Settings) -> Iterator[str]:
    """Trainings with their own settings on whole sets."""
    rows = []
    for name, (least, most) in TARGETS.items():
        where = str(data / name) if name in PHOTO_SETS else name
        ended, precision = trained(TrainConfig(data=where), settings)
        run = Run(Path(ended.run_folder))
        report = read_report(run)
        if report is None:
            raise RunError(f"The training of {name} left no report.")
        fine = report["accuracy"] >= least and (most is None or report["log_loss"] <= most)
        target = f"accuracy {least}" + (f", log loss {most}" if most else "")
        judges = f"{report['judged']}, {report['photos']}"
        losses_told = [f"{report[key]:.3f}" for key in ("raw_log_loss", "log_loss")]
        told = [f"{report['accuracy']:.4f}", *losses_told, f"{report['temperature']:.2f}"]
        rows.append([name, judges, precision, *told, target, reached(fine)])
    yield f"Whole sets: {ARCHITECTURE}, `train` with its own settings, seed 0."
    heads = (
        "data",
        "judged by, photos",
        "precision",
        "accuracy",
        "raw log loss",
        "calibrated log loss",
        "temperature",
        "target",
    )
    yield table([*heads, "reached"], rows)


@torch.inference_mode()
def forwards(model: nn.Module, images: Tensor, half: bool) -> float:
    """Milliseconds a photo, as the engine runs it."""
    started = time.perf_counter()
    for _ in range(FORWARDS):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            model(images)
    return 1e3 * (time.perf_counter() - started) / (FORWARDS * len(images))


def networks(_data: Path, settings: Settings) -> Iterator[str]:
    """Networks as they are beside folded ones."""
    works: dict[tuple[str, str, str], Callable[[], float]] = {}
    for name in (ARCHITECTURE, "mobilenet_v2"):
        try:
            backbone = prepared(name, settings)
        except EngineError as error:
            yield f"{name} was not measured: {error}"
            continue
        side = backbone.preprocess.crop
        images = torch.rand(BATCH, 3, side, side).to(memory_format=torch.channels_last)
        models = {"plain": backbone.model, "folded": folded(backbone.model, side)}
        for kind, model in models.items():
            placed = model.eval().to(memory_format=torch.channels_last)
            for precision in PRECISIONS:
                half = precision == "bfloat16"
                works[name, precision, kind] = lambda m=placed, i=images, h=half: forwards(m, i, h)
    times = in_turns(works, ROUNDS)
    rows = []
    for name, precision in dict.fromkeys(key[:2] for key in times):
        plain, fold = (statistics.median(times[name, precision, kind]) for kind in ("plain", "folded"))
        rows.append([name, precision, f"{plain:.2f}", f"{fold:.2f}", f"{fold / plain:.2f}"])
    yield f"Networks: milliseconds a photo, batch {BATCH}, {THREADS} threads, medians of {ROUNDS} interleaved rounds."
    yield table(("network", "precision", "as it is", "folded", "ratio"), rows)


def in_turns(works: dict[tuple[str, ...], Callable[[], float]], rounds: int) -> dict[tuple[str, ...], list[float]]:
    """What each measured in each round, after one round that does not count."""
    times: dict[tuple[str, ...], list[float]] = {key: [] for key in works}
    for turn in range(rounds + 1):
        for key, work in works.items():
            measured = work()
            if turn:
                times[key].append(measured)
    return times


@torch.inference_mode()
def bare(model: nn.Module, dtype: torch.dtype, backbone: Backbone, records: Sequence[Record]) -> float:
    """Seconds of decoding every photo once and one plain forward, one after another, nothing else."""
    preprocess = backbone.preprocess
    started = time.perf_counter()
    for some in batched(records, BATCH):
        pixels = np.stack([np.asarray(preprocess.view(preprocess.open(record.path))) for record in some])
        model(preprocess.normalised(torch.from_numpy(pixels)).to(dtype, memory_format=torch.channels_last))
    return time.perf_counter() - started


def cold(data: Path, settings: Settings) -> Iterator[str]:
    """A cold training beside the bare pass."""
    folder = data / PHOTO_SETS[0]
    backbone, records = prepared(ARCHITECTURE, settings), load_data(str(folder), settings).records
    config = TrainConfig(data=str(folder), strategy="feature-extraction", epochs=EPOCHS)
    works: dict[tuple[str, ...], Callable[[], float]] = {}
    for name, dtype in PRECISIONS.items():
        model = copy.deepcopy(backbone.model).eval().to(dtype=dtype, memory_format=torch.channels_last)
        works[(name,)] = lambda m=model, d=dtype: bare(m, d, backbone, records)

    def training() -> float:
        with tempfile.TemporaryDirectory(prefix="cold-", dir=settings.cache) as cache:
            return trained(config, dataclasses.replace(settings, cache=Path(cache)))[0].seconds

    times = in_turns({**works, ("ours",): training}, COLD_ROUNDS)
    ratios = []
    rows = []
    for number, (plain, half, our) in enumerate(zip(*times.values(), strict=True), 1):
        ratios.append(our / min(plain, half))
        rows.append([str(number), *(f"{seconds:.2f}" for seconds in (our, plain, half)), f"{ratios[-1]:.2f}"])
    median = statistics.median(ratios)
    rows.append(
        ["median", *(f"{statistics.median(times[key,]):.2f}" for key in ("ours", *PRECISIONS)), f"{median:.2f}"]
    )
    yield (
        f"Cold training of {len(records)} photos of {folder.name}, {EPOCHS} epochs, engine seconds, beside decoding "
        f"all once and one plain forward each. Ratio at most {MOST_RATIO}: {reached(median <= MOST_RATIO)}."
    )
    yield table(("round", "ours", *(f"bare, {name}" for name in PRECISIONS), "ratio to the faster"), rows)


PARTS = {"few": few, "whole": whole, "networks": networks, "cold": cold}


def main() -> int:
    """Measure as the command line says, one thing after another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heads", description=__doc__)
    parser.add_argument("--data", type=written_path, default=SHARED / "data", help="Folder with both photo sets.")
    parser.add_argument("--weights-dir", type=written_path, default=SHARED / "weights", help="With mobilenet_v2.pth.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="Only these tables.")
    options = parser.parse_args()
    if lost := missing(options.data):
        parser.error(lost)
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="tl-heads-") as scratch:
        cache = Path(scratch, "cache")
        cache.mkdir()
        settings = dataclasses.replace(
            Settings.make(), runs=Path(scratch, "runs"), cache=cache, weights_dir=options.weights_dir.resolve()
        )
        for name in options.only:
            started = time.monotonic()
            print("\n\n".join(PARTS[name](options.data.resolve(), settings)), end="\n\n", flush=True)
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
