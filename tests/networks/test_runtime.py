"""The hardware is measured once on a machine, and a second training decides for itself."""

import pytest

from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.networks.backbone import Backbone, prepare_backbone
from tl_engine.networks.runtime import best_device, make_runtime


@pytest.fixture
def backbone(settings: Settings) -> Backbone:
    return watched(prepare_backbone("small_vgg", settings, pretrained=False), lambda _event: None)


@pytest.mark.slow
def test_a_measurement_is_kept_so_that_features_stay_good(
    backbone: Backbone, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tl_engine.networks.runtime._cpu_has_bfloat16", lambda: True)
    first = make_runtime(backbone, settings)
    assert [make_runtime(backbone, settings).reason for _ in range(3)] == [first.reason] * 3
    assert len(list((settings.cache / "speed").iterdir())) == 1
    make_runtime(backbone, settings, learning=True)
    assert len(list((settings.cache / "speed").iterdir())) == 2


@pytest.mark.slow
def test_a_damaged_measurement_is_made_again(
    backbone: Backbone, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tl_engine.networks.runtime._cpu_has_bfloat16", lambda: True)
    make_runtime(backbone, settings)
    (kept,) = (settings.cache / "speed").iterdir()
    kept.write_text("{}")
    assert make_runtime(backbone, settings).precision in ("no", "bf16")
    assert kept.read_text() != "{}"


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_second_runtime_in_one_process_has_its_own_precision(
    precision: str, backbone: Backbone, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    runtime = make_runtime(backbone, settings)
    assert (runtime.precision, runtime.accelerator.mixed_precision) == (precision, precision)
    assert runtime.device.type == best_device().type
