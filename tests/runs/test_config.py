"""What a training may be asked for: the ranges, the choices, the contradictions, and which source of a value wins."""

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tl_engine.base.errors import ConfigError
from tl_engine.runs.config import (
    PRESETS,
    SETTINGS,
    STRATEGIES,
    STRATEGY_DEFAULTS,
    TrainConfig,
    default_of,
    explained,
    to_dict,
)

NEXT_TO_NOTHING = 1e-9
RANGES = {name: (s.low, s.high) for name, s in SETTINGS.items() if s.high is not None and not s.open}
CHOICES = {name: s.choices for name, s in SETTINGS.items() if s.choices}
FIELDS = {name: s.kind for name, s in SETTINGS.items()}


def option(name: str) -> str:
    return name.replace("_", "-")


def made(**options: Any) -> TrainConfig:
    return TrainConfig.from_options({"data": "digits", **options})


def direct(**values: Any) -> TrainConfig:
    """Made by its constructor; head-epochs needs the one strategy that has them."""
    if "head_epochs" in values:
        values = {"strategy": "head-then-all", "epochs": 10_000} | values
    return TrainConfig(data="digits", **values)


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_allowed(name: str) -> None:
    low, high = RANGES[name]
    if name != "head_epochs":  # its lower end, 0, belongs to the other strategies
        assert getattr(direct(**{name: low}), name) == low
    assert getattr(direct(**{name: high}), name) == high


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("end", ["below", "above"])
def test_a_number_outside_its_range_is_refused_with_the_range(name: str, end: str) -> None:
    low, high = RANGES[name]
    step: float = 1 if FIELDS[name] is int else NEXT_TO_NOTHING
    value = low - step if end == "below" else (high or 0) + step
    with pytest.raises(ConfigError) as refused:
        direct(**{name: value})
    assert str(refused.value) == f"{option(name)} must lie between {low} and {high}, got {value}."


@pytest.mark.parametrize("name", [name for name, kind in FIELDS.items() if kind is float])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^{option(name)} must .*, got {value}\.$"):
        direct(**{name: value})


@pytest.mark.parametrize("name", ["learning_rate", "head_learning_rate"])
@pytest.mark.parametrize("value", [0.0, -0.001])
def test_a_learning_rate_is_above_zero(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^{option(name)} must be a number above 0, .* got {value}\.$"):
        direct(**{name: value})


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 20.0])
def test_a_validation_fraction_leaves_something_on_both_sides(value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^val-fraction must lie between 0 and 1, .* got {value}\.$"):
        direct(val_fraction=value)


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_outside_the_list_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        direct(**{name: "nonsense"})
    assert str(refused.value) == f"{name} must be one of {', '.join(CHOICES[name])}, got 'nonsense'."


@pytest.mark.parametrize(("name", "choice"), [(name, c) for name, all_of in CHOICES.items() for c in all_of])
def test_every_choice_is_allowed(name: str, choice: str) -> None:
    assert getattr(made(**{name: choice}), name) == choice


@pytest.mark.parametrize("data", ["", "   "])
def test_data_must_be_named(data: str) -> None:
    with pytest.raises(ConfigError, match=r"^data is empty"):
        TrainConfig(data=data)


def test_missing_data_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^data is missing"):
        TrainConfig.from_options({"epochs": 3})


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != "from-scratch"])
def test_an_architecture_without_weights_can_only_start_from_scratch(strategy: str) -> None:
    with pytest.raises(ConfigError, match=f"^small_vgg has no pretrained weights, so {strategy} .* from-scratch"):
        made(architecture="small_vgg", strategy=strategy)
    assert made(architecture="small_vgg", strategy="from-scratch").architecture == "small_vgg"


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s != "head-then-all"])
def test_head_epochs_belong_to_head_then_all(strategy: str) -> None:
    with pytest.raises(ConfigError, match=f"^head-epochs belongs to the strategy head-then-all, not to {strategy}"):
        made(strategy=strategy, head_epochs=1)


@pytest.mark.parametrize(("epochs", "head_epochs"), [(1, None), (5, 5), (5, 6), (5, 0)])
def test_head_then_all_needs_epochs_for_both(epochs: int, head_epochs: int | None) -> None:
    with pytest.raises(ConfigError, match=rf"at least 2 epochs.* got epochs {epochs} and head-epochs \d"):
        made(strategy="head-then-all", epochs=epochs, head_epochs=head_epochs)


@pytest.mark.parametrize(("epochs", "head_epochs"), [(2, 1), (3, 2), (12, 8), (100, 66)])
def test_the_head_gets_two_thirds_of_the_epochs(epochs: int, head_epochs: int) -> None:
    assert made(strategy="head-then-all", epochs=epochs).head_epochs == head_epochs


def test_head_epochs_can_be_chosen() -> None:
    assert made(strategy="head-then-all", epochs=5, head_epochs="1").head_epochs == 1


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Unknown architecture 'resnet19'"):
        made(architecture="resnet19")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        made().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("epochs", "7", 7),
        ("epochs", 7.0, 7),
        ("batch-size", "8", 8),
        ("batch_size", 8, 8),
        ("learning-rate", "1e-4", 1e-4),
        ("learning-rate", 1, 1.0),
        ("seed", str(2**32 - 1), 2**32 - 1),
        ("class-weights", "true", True),
        ("class-weights", "No", False),
        ("class-weights", True, True),
        ("class-weights", 0, False),
        ("val-fraction", "0.25", 0.25),
    ],
)
def test_text_and_numbers_become_the_fields_type(name: str, given: Any, expected: Any) -> None:
    value = getattr(made(**{name: given}), name.replace("-", "_"))
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("epochs", "many", "a whole number"),
        ("epochs", "2.5", "a whole number"),
        ("epochs", "inf", "a whole number"),
        ("epochs", "nan", "a whole number"),
        ("epochs", True, "a whole number"),
        ("epochs", [3], "a whole number"),
        ("learning-rate", "fast", "a number"),
        ("learning-rate", False, "a number"),
        ("learning-rate", {}, "a number"),
        ("class-weights", "perhaps", "true or false"),
        ("optimizer", 3, "text"),
        ("strategy", ["fine-tuning"], "text"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(name: str, given: Any, wanted: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(**{name: given})
    assert str(refused.value) == f"{name} must be {wanted}, got {str(given)!r}."


@pytest.mark.parametrize(
    ("name", "hint"),
    [("learning-rat", "did you mean learning-rate?"), ("bach_size", "did you mean batch-size?")],
)
def test_an_unknown_option_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=rf"^Unknown setting '{name.replace('-', '_')}': {re.escape(hint)}$"):
        made(**{name: 1})


def test_an_option_like_no_other_gets_the_list() -> None:
    with pytest.raises(ConfigError) as refused:
        made(xyz=1)
    assert all(option(name) in str(refused.value) for name in FIELDS)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_brings_its_defaults(strategy: str) -> None:
    config = to_dict(made(strategy=strategy))
    assert STRATEGY_DEFAULTS[strategy].items() <= config.items()
    assert config["strategy"] == strategy


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_preset_wins_over_the_strategy(preset: str, strategy: str) -> None:
    config = TrainConfig.from_options({"data": "digits", "strategy": strategy}, preset)
    assert PRESETS[preset].items() <= to_dict(config).items()


def test_an_option_wins_over_preset_and_strategy_and_none_is_no_option() -> None:
    options = {"data": "digits", "strategy": "fine-tuning", "learning-rate": "0.5", "batch-size": None}
    config = TrainConfig.from_options(options, "tutorial")
    assert (config.learning_rate, config.batch_size) == (0.5, PRESETS["tutorial"]["batch_size"])
    assert (config.optimizer, config.schedule, config.momentum) == ("sgd", "step", 0.9)


def test_an_unknown_preset_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"^preset must be one of tutorial, blog, got 'best'\.$"):
        TrainConfig.from_options({"data": "digits"}, "best")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_config_comes_back_from_json(strategy: str) -> None:
    config = made(strategy=strategy, seed=3, class_weights=True)
    assert TrainConfig.from_options(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("preset", [None, *PRESETS])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_constructor_and_the_options_agree(strategy: Any, preset: str | None) -> None:
    values = PRESETS[preset] if preset else {}
    built = TrainConfig(data="digits", strategy=strategy, **values)
    assert built == TrainConfig.from_options({"data": "digits", "strategy": strategy}, preset)
    assert not [name for name, value in to_dict(built).items() if type(value) is not FIELDS[name]]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_explained_with_its_default(name: str) -> None:
    assert SETTINGS[name].text.endswith(".")
    assert default_of(name) in explained(name)
    assert bool(default_of(name)) == (name != "data")


def test_a_path_is_data_too(tmp_path: Path) -> None:
    assert TrainConfig(data=tmp_path).data == str(tmp_path)  # type: ignore[arg-type]
