"""Where the memory is full, half as many photos pass at once, down to one; any other error is raised at once."""

import numpy as np
import pytest
import torch

from tests.conftest import MakeImages
from tl_engine.base.errors import is_memory_full
from tl_engine.base.events import Event, Note
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.scan import scan
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.embedder import Embedder
from tl_engine.networks.runtime import Portion, make_runtime

CPU = "[enforce fail at alloc_cpu.cpp:115] err == 0. DefaultCPUAllocator: can't allocate memory: you tried ..."
FULL = [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU)]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_it_halves_until_it_fits_remembers_and_says_so_once(error: Exception) -> None:
    portion, tried = Portion(), []

    def work(at_once: int) -> int:
        tried.append(at_once)
        if at_once > 5:
            raise error
        return at_once

    assert portion.tried(32, work) == 4
    assert portion.tried(32, work) == 4
    assert tried == [32, 16, 8, 4, 4]
    assert portion.news().endswith("The memory was full with 8 photos at once: it goes on 4 at once.")
    assert portion.news() == ""
    assert portion.of(3) == 3


def test_one_photo_that_does_not_fit_is_an_error() -> None:
    def work(_at_once: int) -> None:
        raise MemoryError

    portion = Portion()
    with pytest.raises(MemoryError):
        portion.tried(8, work)
    assert portion.most == 1


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("memory"), OSError(28, "full")])
def test_no_other_error_is_tried_again(error: Exception) -> None:
    tried = []

    def work(at_once: int) -> None:
        tried.append(at_once)
        raise error

    with pytest.raises(type(error)):
        Portion().tried(32, work)
    assert tried == [32]
    assert not is_memory_full(error)


@pytest.mark.slow
def test_embedding_halves_too_and_gives_the_same_features(make_images: MakeImages, settings: Settings) -> None:
    data = scan(make_images(each=5), settings.limits)
    backbone = watched(prepare_backbone("efficientnet_lite0", settings), lambda _event: None)
    told: list[Event] = []
    whole = watched(Embedder(backbone, make_runtime(backbone, settings), settings).look(data), told.append)
    assert [event for event in told if isinstance(event, Note)] == []
    elsewhere = Settings(cache=settings.cache / "elsewhere", backbones=settings.backbones)
    embedder = Embedder(backbone, make_runtime(backbone, settings), elsewhere)
    passed, sizes = embedder._passed, []

    def tight(pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        if len(pixels) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return passed(pixels)

    embedder._passed = tight  # type: ignore[method-assign]
    halved = watched(embedder.look(data), told.append)
    assert max(sizes[2:]) <= 3
    notes = [event.message for event in told if isinstance(event, Note)]
    assert len(notes) == 1
    assert "goes on 2 at once" in notes[0]
    for record in data.records:
        one, two = (e.rows[e.hashes[record.path]].numpy() for e in (whole, halved))
        assert np.allclose(one, two, atol=1e-3)
