"""A head that is solved is the one that scikit-learn finds, and those that judge have not seen what they judge."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tl_engine.classifiers.solved_head import LAM, Scaled, SolvedHead

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 3
STEPS = 60


def photos(number: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (N, D) far from zero and of no usual size, and labels (N,) that they tell with some noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % CLASSES
    features = torch.randn(number, size, generator=random)
    features[torch.arange(number), labels] += 1.5
    return 0.3 * features + 2, labels


def folds_of(number: int) -> Tensor:
    return (torch.arange(number) * 7) % 5


def solved(head: SolvedHead, steps: int = STEPS) -> SolvedHead:
    for _ in range(steps):
        head.step()
    return head


def said(head: SolvedHead, features: Tensor) -> Tensor:
    """The probabilities of the kept head, as a classifier gives them."""
    weight, bias = head.head()
    return (features @ weight.T + bias).softmax(1)


def of_sklearn(features: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
    """The probabilities by scikit-learn, on features less their mean and divided by their size."""
    mean = features.mean(0)
    size = (features - mean).square().mean().sqrt()
    number, width = features.shape
    other = LogisticRegression(C=width / (LAM * number), max_iter=2_000, tol=1e-8)
    other.fit(((features - mean) / size).double().numpy(), labels.numpy())
    return torch.from_numpy(other.predict_proba(((asked - mean) / size).double().numpy()).astype(np.float32))


@pytest.mark.parametrize(("number", "size"), [(150, 20), (40, 80), (60, 60)])
def test_the_kept_head_is_scikit_learns(number: int, size: int) -> None:
    features, labels = photos(number, size)
    others, _ = photos(50, size, seed=1)
    found = said(solved(SolvedHead(features[None], labels, CLASSES)), others)
    torch.testing.assert_close(found, of_sklearn(features, labels, others), atol=1e-2, rtol=0)


def test_each_judging_head_is_scikit_learns_on_the_photos_of_other_folds() -> None:
    features, labels = photos(60, 12)
    folds = folds_of(60)
    judged = solved(SolvedHead(features[None], labels, CLASSES, folds=folds)).judged()
    assert judged is not None
    for fold in range(5):
        own, mean = folds == fold, features.mean(0)
        size = (features - mean).square().mean().sqrt()
        rows = ((features - mean) / size).double().numpy()
        other = LogisticRegression(C=12 / (LAM * int((~own).sum())), max_iter=2_000, tol=1e-8)
        other.fit(rows[~own.numpy()], labels[~own].numpy())
        expected = torch.from_numpy(other.predict_proba(rows[own.numpy()]).astype(np.float32))
        torch.testing.assert_close(judged[own].softmax(1), expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_photo_has_no_part_in_its_own_judge_whatever_its_label(copies: int) -> None:
    features, labels = photos(40, 10)
    views = torch.stack([features + 0.01 * copy for copy in range(copies)])
    folds = folds_of(40)
    before = solved(SolvedHead(views, labels, CLASSES, folds=folds)).judged()
    changed = labels.clone()
    changed[6] = (changed[6] + 1) % CLASSES
    after = solved(SolvedHead(views, changed, CLASSES, folds=folds)).judged()
    assert before is not None
    assert after is not None
    moved, own = (after - before).abs().amax(1), folds == folds[6]
    assert moved[own].max() < 1e-3
    assert moved[~own].median() > 0.05


@pytest.mark.parametrize(("number", "size"), [(60, 10), (30, 80)])
def test_the_kept_head_is_the_same_with_folds_and_without(number: int, size: int) -> None:
    features, labels = photos(number, size)
    alone = solved(SolvedHead(features[None], labels, CLASSES), 10)
    beside = solved(SolvedHead(features[None], labels, CLASSES, folds=folds_of(number)), 10)
    assert all(torch.equal(one, other) for one, other in zip(alone.head(), beside.head(), strict=True))
    assert alone.judged() is None


def test_fewer_photos_than_numbers_give_the_head_that_more_would() -> None:
    """30 photos in 80 numbers are turned, the same photos three times over are not: it is one task."""
    features, labels = photos(30, 80)
    thrice = features.repeat(3, 1)
    assert Scaled.of(features).turn is not None
    assert Scaled.of(features).rows.shape == (30, 30)
    assert Scaled.of(thrice).turn is None
    few, many = SolvedHead(features[None], labels, CLASSES), SolvedHead(thrice[None], labels.repeat(3), CLASSES)
    others, _ = photos(50, 80, seed=1)
    torch.testing.assert_close(said(solved(few), others), said(solved(many), others), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("number", "size"), [(60, 10), (30, 80)])
def test_what_it_says_of_its_photos_is_what_its_head_says(number: int, size: int) -> None:
    features, labels = photos(number, size)
    views = torch.stack([features, features + 0.1])
    head = solved(SolvedHead(views, labels, CLASSES, folds=folds_of(number)), 20)
    weight, bias = head.head()
    assert weight.dtype == bias.dtype == torch.float32
    torch.testing.assert_close(head.logits(), features @ weight.T + bias, atol=1e-3, rtol=1e-3)
    judged = head.judged()
    assert judged is not None
    assert judged.shape == (number, CLASSES)


def test_more_steps_end_where_fewer_did() -> None:
    features, labels = photos(150, 20)
    some, many = (solved(SolvedHead(features[None], labels, CLASSES), steps) for steps in (30, 120))
    torch.testing.assert_close(said(some, features), said(many, features), atol=1e-3, rtol=0)


def test_a_class_that_counts_more_is_said_more_often() -> None:
    features, labels = photos(90, 10)
    plain = said(solved(SolvedHead(features[None], labels, CLASSES)), features)
    weighed = said(solved(SolvedHead(features[None], labels, CLASSES, weights=torch.tensor([1.0, 1.0, 8.0]))), features)
    assert weighed[:, 2].mean() > plain[:, 2].mean() + 0.1


def test_smoothed_labels_make_it_less_sure() -> None:
    features, labels = photos(90, 10)
    plain, smooth = (said(solved(SolvedHead(features[None], labels, CLASSES, smoothing=s)), features) for s in (0, 0.3))
    assert smooth.amax(1).mean() < plain.amax(1).mean() - 0.02


def test_features_that_are_all_the_same_leave_the_shares_of_the_classes() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2] * 1)
    found = said(solved(SolvedHead(torch.full((1, 10, 4), 3.0), labels, CLASSES)), torch.full((1, 4), 3.0))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.3, 0.1]]), atol=1e-3, rtol=0)
