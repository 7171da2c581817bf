"""A graph put together: a swapped head, temperature and likeness as the app has them, smaller copies."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from tests.graphs.networks import CLASSES, answering, views
from tl_engine.backbones.architectures import get_architecture
from tl_engine.classifiers.predictor import Predictor
from tl_engine.classifiers.reference import Reference
from tl_engine.graphs.graph import Ending, finished, head_tensors, with_head
from tl_engine.graphs.traced import Deployed, as_onnx, recorded
from tl_engine.graphs.variants import half_weights, int8_weights
from tl_engine.networks.models import head_names, replace_heads

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """A network with one linear layer as its head, that knows the photos it learnt from."""
    made = answering("small_vgg")
    seen = made.network(made.preprocess.normalised(torch.from_numpy(views(made.preprocess))))[1]
    labels = [index % 3 for index in range(len(seen))]
    files = [f"{index}.jpg" for index in range(len(seen))]
    made.reference = Reference.of(seen.numpy(), labels, files, np.random.default_rng(0).random(12, np.float32), None)
    made.temperature = 1.7
    return made


@pytest.fixture(scope="module")
def graph(predictor: Predictor) -> bytes:
    """That network as it was recorded."""
    return as_onnx(recorded(Deployed(predictor)))


def ending(predictor: Predictor, classes: int = len(CLASSES)) -> Ending:
    assert predictor.reference
    rows = predictor.reference.halves
    return Ending(classes=classes, temperature=predictor.temperature, reference=rows)


def said(graph: onnx.ModelProto, predictor: Predictor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    pixels = np.ascontiguousarray(views(predictor.preprocess).transpose(0, 3, 1, 2))
    probabilities, likeness = session.run(["probabilities", "likeness"], {"pixels": pixels})
    return probabilities, likeness


def test_temperature_and_likeness_are_the_apps(predictor: Predictor, graph: bytes) -> None:
    probabilities, likeness = said(finished(onnx.load_from_string(graph), ending(predictor), 64), predictor)
    looked = predictor.look(views(predictor.preprocess))
    np.testing.assert_allclose(probabilities, looked.probabilities, atol=1e-4)
    assert np.abs(looked.probabilities - looked.raw).max() > 0.01  # the temperature does something
    assert predictor.reference
    near = predictor.reference.nearest(looked.features)[0].mean(1)
    np.testing.assert_allclose(likeness, near, atol=2e-3)  # the reference is kept as float16
    assert near.std() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_another_linear_head_is_two_tensors(predictor: Predictor, graph: bytes, classes: int) -> None:
    other = answering("small_vgg")
    replace_heads(other.model, get_architecture("small_vgg"), classes)
    whole = onnx.load_from_string(graph)
    names = head_names(other.model, get_architecture("small_vgg"))
    head = head_tensors({name: other.model.state_dict()[name].numpy() for name in names})
    assert with_head(whole, head)
    probabilities, _ = said(finished(whole, ending(predictor, classes), 64), predictor)
    images = other.preprocess.normalised(torch.from_numpy(views(other.preprocess)))
    with torch.no_grad():
        expected = (other.model(images) / predictor.temperature).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["classifier.1.weight", "classifier.1.bias"], ["head.weight", "head.bias"]),
        (["fc.0.weight", "fc.2.bias"], ["head.0.weight", "head.2.bias"]),
        (["fc1.weight", "fc2.bias"], ["head.fc1.weight", "head.fc2.bias"]),  # no path in common
        (["weight"], ["head.weight"]),
        ([], []),
    ],
)
def test_tensors_of_a_head_are_called_by_what_follows_its_path(names: list[str], short: list[str]) -> None:
    assert list(head_tensors({name: np.zeros(1) for name in names})) == short


def test_a_head_of_another_kind_is_refused_and_nothing_changed(graph: bytes) -> None:
    whole = onnx.load_from_string(graph)
    assert not with_head(whole, {"head.0.weight": np.zeros((3, 4), np.float32)})
    assert not with_head(whole, {"head.weight": np.zeros((3, 4, 1, 1), np.float32), "head.bias": np.zeros(3)})
    assert whole.SerializeToString() == onnx.load_from_string(graph).SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize(("shrink", "share", "close"), [(half_weights, 0.55, 0.02), (int8_weights, 0.3, 0.3)])
def test_a_smaller_copy_is_smaller_and_says_nearly_the_same(
    predictor: Predictor, graph: bytes, shrink: object, share: float, close: float
) -> None:
    full = finished(onnx.load_from_string(graph), ending(predictor), 64)
    small = shrink(full)  # type: ignore[operator]
    onnx.checker.check_model(small)
    assert small.ByteSize() < share * full.ByteSize()
    (whole, like), (less, less_like) = said(full, predictor), said(small, predictor)
    assert 0 < np.abs(whole - less).max() < close
    np.testing.assert_allclose(like, less_like, atol=0.02)


def test_weights_that_a_float16_cannot_hold_stay(predictor: Predictor, graph: bytes) -> None:
    full = finished(onnx.load_from_string(graph), ending(predictor), 64)
    name = next(t.name for t in full.graph.initializer if t.name.endswith("features.0.weight") or len(t.dims) == 4)
    tensor = next(t for t in full.graph.initializer if t.name == name)
    large = onnx.numpy_helper.to_array(tensor) * 1e8
    tensor.CopyFrom(onnx.numpy_helper.from_array(large, name))
    kept = next(t for t in half_weights(full).graph.initializer if t.name == name)
    assert np.isfinite(onnx.numpy_helper.to_array(kept)).all()


def test_without_a_reference_nothing_is_left_of_the_features(graph: bytes) -> None:
    alone = Ending(classes=3, temperature=1.0, reference=None)
    made = finished(onnx.load_from_string(graph), alone, 64)
    assert [output.name for output in made.graph.output] == ["probabilities"]
    used = {name for node in made.graph.node for name in node.input}
    assert {tensor.name for tensor in made.graph.initializer} <= used
