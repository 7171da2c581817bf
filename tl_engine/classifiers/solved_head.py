"""A linear head solved, not trained: L-BFGS on features computed once. Convex: no rate, no seed, no epoch to choose.

Beside the head that is kept, one for each fold is solved without the rows of that fold, so that every row is judged
by a head that has not seen it.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

# Of the weights' squares, beside the mean cross-entropy: 1 to 100 were alike on three sets, and choosing it anew for
# each by cross-validation cost five times as much and gained nothing.
LAM = 10.0
HISTORY, EVALUATIONS = 20, 25  # steps remembered; looks of one line search


@dataclass(frozen=True, slots=True)
class Scaled:
    """Features less their mean, divided by one number, the same for all, and turned where there are fewer than numbers.

    A turn changes no distance, so it changes no solution, and N numbers a row cost less than D.
    """

    rows: Tensor  # (N, R)
    mean: Tensor  # (D,)
    size: Tensor  # one number: the root mean square
    turn: Tensor | None  # (D, R); None: R is D

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Of features (N, D)."""
        exact = features.float() if features.device.type == "mps" else features.double()
        mean = exact.mean(0)
        size = (exact - mean).square().mean().sqrt().clamp(min=1e-12)
        rows = (exact - mean) / size
        if len(rows) >= rows.shape[1]:
            return cls(rows, mean, size, None)
        turn, upper = torch.linalg.qr(rows.T)
        return cls(upper.T.contiguous(), mean, size, turn)

    def head(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) that take the features as they were."""
        whole = (weight if self.turn is None else weight @ self.turn.T) / self.size
        return whole.float(), (bias - whole @ self.mean).float()


class Solver:
    """H heads solved side by side on the same rows; each learns from the rows of its own mask (H, N)."""

    def __init__(self, scaled: Scaled, labels: Tensor, classes: int, masks: Tensor, weights: Tensor, smoothing: float):
        self.rows, self.labels, self.smoothing = scaled.rows, labels, smoothing
        self.numbers = len(scaled.mean)
        shares = masks.to(scaled.rows) * weights.to(scaled.rows)
        self.shares = (shares / shares.sum(1, keepdim=True)).T
        heads = len(masks)
        self.weight = torch.zeros(heads, classes, scaled.rows.shape[1]).to(scaled.rows).requires_grad_()
        self.bias = torch.zeros(heads, classes).to(scaled.rows).requires_grad_()
        self.rule = torch.optim.LBFGS([self.weight, self.bias], max_iter=1, max_eval=EVALUATIONS,
                                      history_size=HISTORY, line_search_fn="strong_wolfe")  # fmt: skip

    def logits(self) -> Tensor:
        """What each head says of each row, (N, H, C)."""
        heads, classes, size = self.weight.shape
        return (self.rows @ self.weight.view(heads * classes, size).T).view(-1, heads, classes) + self.bias

    def step(self) -> None:
        """One iteration."""

        def closure() -> float:
            self.rule.zero_grad()
            heads, classes = self.bias.shape
            targets = self.labels.repeat_interleave(heads)
            each = functional.cross_entropy(
                self.logits().reshape(-1, classes), targets, reduction="none", label_smoothing=self.smoothing
            )
            loss = (each.view(-1, heads) * self.shares).sum() + LAM / (2 * self.numbers) * self.weight.square().sum()
            loss.backward()
            return loss.item()

        self.rule.step(closure)

    def state(self) -> dict[str, Any]:
        """All that the next iteration depends on."""
        return {"weight": self.weight, "bias": self.bias, "rule": self.rule.state_dict()}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises LookupError, ValueError or RuntimeError for the state of other heads."""
        for mine, kept in ((self.weight, state["weight"]), (self.bias, state["bias"])):
            if mine.shape != kept.shape:
                raise ValueError(f"heads of another shape: {tuple(kept.shape)}")
            mine.copy_(kept)
        self.rule.load_state_dict(state["rule"])


class SolvedHead:
    """The head that is kept, and those of the folds. `step` is one iteration of all."""

    def __init__(
        self,
        views: Tensor,  # (V, N, D): each photo as it is, then augmented
        labels: Tensor,  # (N,)
        classes: int,
        *,
        folds: Tensor | None = None,  # (N,): the number of the fold that judges each photo
        weights: Tensor | None = None,  # (C,): how much a photo of each class counts
        smoothing: float = 0.0,
    ) -> None:
        copies, self.photos = views.shape[:2]
        self.scaled = Scaled.of(views.flatten(0, 1))
        taught = labels.repeat(copies)
        counts = torch.ones(len(taught), device=views.device) if weights is None else weights.to(views.device)[taught]

        def solver(masks: Tensor) -> Solver:
            return Solver(self.scaled, taught, classes, masks, counts, smoothing)

        self.kept = solver(torch.ones(1, len(taught), device=views.device))
        self.folds, self.judges = folds, None
        if folds is not None:
            others = folds.repeat(copies)[None] != torch.arange(int(folds.max()) + 1, device=views.device)[:, None]
            self.judges = solver(others)

    def step(self) -> None:
        """One iteration. The kept head owes nothing to the others: it is the same without folds."""
        self.kept.step()
        if self.judges:
            self.judges.step()

    def state(self) -> dict[str, Any]:
        """All that the next iteration depends on."""
        return {"kept": self.kept.state(), "judges": self.judges.state() if self.judges else None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises LookupError, ValueError or RuntimeError for the state of other heads."""
        self.kept.restore(state["kept"])
        if self.judges:
            self.judges.restore(state["judges"])

    @torch.no_grad()
    def head(self) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) of the kept head, for the features as they are."""
        return self.scaled.head(self.kept.weight[0], self.kept.bias[0])

    @torch.no_grad()
    def logits(self) -> Tensor:
        """What the kept head says of the photos it learnt from, (N, C)."""
        return self.kept.logits()[: self.photos, 0].float()

    @torch.no_grad()
    def judged(self) -> Tensor | None:
        """What a head that has not seen it says of each photo, (N, C); None without folds."""
        if self.judges is None or self.folds is None:
            return None
        rows = torch.arange(self.photos, device=self.folds.device)
        return self.judges.logits()[rows, self.folds].float()
