"""What a training leaves behind for its report and for Predict: what was said of each judged photo, and its own photos.

It comes after the classifier is saved: what goes wrong here is told, and decides nothing.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tl_engine.base.events import Event, FinalTest
from tl_engine.classifiers.reference import Reference
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.evaluation.calibration import fit_temperature, softmax
from tl_engine.evaluation.judged import FOLDS, TEST, VAL, Judged
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.embedder import Embedded, Embedder
from tl_engine.networks.models import flat_features
from tl_engine.networks.runtime import make_runtime
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import Figures
from tl_engine.runs.run import Run
from tl_engine.training.epochs import Best, Score, evaluate, score_of
from tl_engine.training.inputs import Inputs
from tl_engine.training.phases import Phase


def temperature_of(best: Best, data: ImageFolder) -> float:
    """What the logits are divided by: learnt from the folds where there are some, else from the validation photos."""
    if best.folded is not None:
        return fit_temperature(best.folded.cpu().numpy(), _labels(data.of("train")).numpy())
    if best.score is None or best.score.logits is None:
        return 1.0
    return fit_temperature(best.score.logits.numpy(), _labels(data.of("val")).numpy())


def judge_of(data: ImageFolder) -> str:
    """Whose figures those of an epoch are."""
    return VAL if data.of("val") else FOLDS


def save_best(phase: Phase, run: Run, inputs: Inputs, config: TrainConfig, data: ImageFolder, best: Best) -> None:
    """Keep the classifier as it is now as the best, unless a later one is there already; one process does."""
    if best.score is None or best.catching_up or not inputs.runtime.accelerator.is_main_process:
        return
    photos = {split: len(data.of(split)) for split in ("train", "val", "test")}
    figures = Figures(
        epoch=best.epoch or 0,
        val_accuracy=best.score.accuracy,
        val_loss=best.score.loss,
        images=photos,
        judge=judge_of(data),
    )
    inputs.classifier.save(run.best, phase.learns, config, figures, temperature_of(best, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The pieces it is made of, once the last epoch has ended."""

    run: Run
    inputs: Inputs
    data: ImageFolder
    best: Best
    before: dict[str, Tensor] | None  # the tensors before a phase that changed them all

    def leave(self, *, quick: bool = False) -> Generator[Event, None, None]:
        """Write what was judged, and describe the photos that taught; `quick`: without another pass over them."""
        config, best = self.inputs.config, self.best
        if best.score is None or not self.inputs.runtime.accelerator.is_main_process:
            return
        self.run.report.mkdir(exist_ok=True)
        if best.folded is not None:
            self._write(FOLDS, self.data.of("train"), best.folded.cpu().float(), chosen=False)
        if self.data.of("val") and best.score.logits is not None:
            self._write(VAL, self.data.of("val"), best.score.logits, chosen=best.chosen and config.epochs > 1)
        embedded = self.inputs.embedded
        # With several processes one alone cannot embed, and the others have gone on.
        alone = self.inputs.runtime.accelerator.num_processes == 1
        if embedded is None and config.strategy != "from-scratch" and alone and not quick:
            embedded = yield from self._frozen()
        if embedded is not None:
            self._refer(embedded)

    def measure_test(self) -> Iterator[Event]:
        """The classifier that was saved, on photos that no epoch has seen."""
        records = self.data.of("test")
        score = self._tested(records)
        yield FinalTest(test_loss=score.loss, test_accuracy=score.accuracy)
        if score.logits is not None and self.inputs.runtime.accelerator.is_main_process:
            self.run.report.mkdir(exist_ok=True)
            self._write(TEST, records, score.logits, chosen=False)

    def _tested(self, records: list[Record]) -> Score:
        inputs = self.inputs
        inputs.runtime.accelerator.wait_for_everyone()  # the first process may still be saving
        inputs.classifier.restore(self.run.best, self.before)
        if inputs.embedded is None or self.before is not None:
            return evaluate(
                inputs.classifier.model, inputs.evaluation_batches(records), inputs.runtime, inputs.check_stop
            )
        head = inputs.classifier.backbone.head.eval()
        with torch.no_grad():
            logits = head(inputs.embedded.plain(records)).flatten(1)
            return score_of(logits, _labels(records).to(logits.device))

    def _write(self, judge: str, records: list[Record], logits: Tensor, *, chosen: bool) -> None:
        Judged(
            judge=judge,
            files=_files(records, self.data),
            labels=_labels(records).numpy(),
            logits=logits.numpy(),
            epoch=self.best.epoch or 0,
            epochs=self.inputs.config.epochs,
            chosen=chosen,
        ).write(self.run.report)

    def _frozen(self) -> Generator[Event, None, Embedded]:
        """The photos that taught as the backbone saw them before it learnt: what it knows by now is blind to strangers.

        Measured on hymenoptera against digits: AUROC .75 on the features it had learnt, 1.00 on these.
        """
        config, settings = self.inputs.config, self.inputs.settings
        backbone = yield from prepare_backbone(config.architecture, settings, fit=config.fit)
        runtime = make_runtime(backbone, settings)
        only = ImageFolder(root=self.data.root, classes=self.data.classes, records=tuple(self.data.of("train")))
        return (yield from Embedder(backbone, runtime, settings, self.inputs.check_stop).look(only))

    def _refer(self, embedded: Embedded) -> None:
        train, best = self.data.of("train"), self.best
        logits = best.folded if best.folded is not None else best.score.logits if best.score else None
        temperature = temperature_of(best, self.data)
        sure = [] if logits is None else softmax(logits.cpu().numpy(), temperature).max(1)
        Reference.of(
            flat_features(embedded.plain(train)).detach().float().cpu().numpy(),
            [record.label for record in train],
            _files(train, self.data),
            np.array(sure, np.float32),
            best.folds.number if best.folds else None,
        ).save(self.run.report)


def _labels(records: list[Record]) -> Tensor:
    return torch.tensor([record.label for record in records], dtype=torch.long)


def _files(records: list[Record], data: ImageFolder) -> tuple[str, ...]:
    return tuple(record.path.relative_to(data.root).as_posix() for record in records)
