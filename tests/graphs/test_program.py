"""Another head in a recorded program says what torch says with that head; what does not fit is left alone."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.graphs.networks import CLASSES, answering, views
from tl_engine.graphs.program import Head, head_of, with_head
from tl_engine.graphs.traced import said_by_exported, save_exported

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    made = answering("small_vgg")
    made.temperature = 1.7
    save_exported(made, path)
    return path.read_bytes()


def test_the_head_that_is_in_it_is_read_back(program: bytes) -> None:
    weight, bias, temperature = head_of(program)
    assert weight.shape[0] == len(bias) == len(CLASSES)
    assert float(temperature) == pytest.approx(1.7)


def test_another_head_answers_as_torch_does_and_tells_what_it_was_given(program: bytes, tmp_path: Path) -> None:
    made = answering("small_vgg")
    weight, bias, _ = head_of(program)
    more = np.arange(len(CLASSES), dtype=np.float32)
    head: Head = weight[::-1] * np.float32(0.7), bias + more, np.array(1.3, np.float32)
    swapped = with_head(program, head)
    assert swapped
    (tmp_path / "other.pt2").write_bytes(swapped)
    for kept, meant in zip(head_of(swapped), head, strict=True):
        np.testing.assert_array_equal(kept, meant)
    seen = views(made.preprocess)
    said, given = said_by_exported(tmp_path / "other.pt2", list(seen))
    features = made.look(seen).features
    assert given is not None
    np.testing.assert_allclose(given, features, atol=1e-4)
    logits = torch.from_numpy(features @ head[0].T + head[1])
    np.testing.assert_allclose(said, (logits / 1.3).softmax(1).numpy(), atol=1e-5)
    assert np.abs(said - made.look(seen).probabilities).max() > 0.05  # it is another head


def test_a_head_of_another_shape_or_another_file_is_left_alone(program: bytes) -> None:
    weight, bias, temperature = head_of(program)
    assert with_head(program, (weight[:2], bias[:2], temperature)) is None
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("model/data/weights/model_weights_config.json", '{"config": {}}')
    assert with_head(other.getvalue(), (weight, bias, temperature)) is None
    with pytest.raises(ValueError, match="head"):
        head_of(other.getvalue())
