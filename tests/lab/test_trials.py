"""What a lab tries: all on the same photos held out, and what cannot be tried is named."""

import pytest

from tl_engine.base.errors import ConfigError
from tl_engine.lab.trials import LABS, SIX, asked_for, trials


def test_every_trial_is_judged_by_the_same_split_and_named_alike() -> None:
    found, left_out = trials("digits", asked_for(None, "efficientnet_lite0, resnet18", None), 2, {"epochs": "3"})
    assert left_out == []
    assert len(found) == 2 * 3 * 2
    assert {(t.config.judge, t.config.val_fraction, t.config.epochs) for t in found} == {("split", 0.2, 3)}
    assert {t.config.seed for t in found} == {0, 1}
    assert len({t.name(1) for t in found}) == len(found)
    again, _ = trials("digits", asked_for(None, "efficientnet_lite0, resnet18", None), 2, {"epochs": "3"})
    assert [t.name(1) for t in again] == [t.name(1) for t in found]


def test_what_has_no_weights_is_left_out_with_the_reason() -> None:
    found, left_out = trials("digits", asked_for(None, "small_vgg", None), 1, {})
    assert [t.config.strategy for t in found] == ["from-scratch"]
    assert len(left_out) == 2
    assert "small_vgg" in left_out[0]


@pytest.mark.parametrize("ready", LABS)
def test_a_ready_lab_is_what_its_text_says(ready: str) -> None:
    found, left_out = trials("digits", asked_for(ready, None, None), 1, {})
    assert left_out == []
    if ready == "tutorial":
        assert {t.config.architecture for t in found} == set(SIX)
    else:
        assert {(t.config.optimizer, t.config.learning_rate) for t in found} == {("adam", 1e-5)}


def test_an_unknown_lab_is_refused() -> None:
    with pytest.raises(ConfigError, match="tutorial, blog"):
        asked_for("fastai", None, None)
