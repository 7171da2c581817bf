"""Every row of the table as a graph says what the app says, on networks whose answers differ between pictures."""

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.graphs.networks import answering, views
from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.graphs.graph import Ending, finished
from tl_engine.graphs.traced import Deployed, as_onnx, recorded

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ("squeezenet1_1", "small_vgg")
SMALL = {"vgg16": 64, "vgg16_blog": 64, "vgg11_bn": 64, "alexnet": 96}  # pixels; their heads pool to a fixed size
WAYS = {  # of making a square, and of numbering a pixel
    "crop": {},
    "pad": {"fit": "pad"},
    "stretch": {"fit": "stretch"},
    "bgr": {"channels": "bgr", "scale": 255.0, "mean": (104.0, 117.0, 123.0), "std": (1.0, 1.0, 1.0)},
}
ROWS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]


def agrees(name: str, **changed: object) -> None:
    side = SMALL.get(name)
    predictor = answering(name, **({"resize": side, "crop": side} if side else {}), **changed)
    side = predictor.preprocess.crop
    seen = views(predictor.preprocess)
    app = predictor.of_views(seen)
    assert app.std(0).max() > 0.05, "these answers are all alike, so agreeing on them proves nothing"
    graph = onnx.load_from_string(as_onnx(recorded(Deployed(predictor))))
    graph = finished(graph, Ending(classes=app.shape[1], temperature=predictor.temperature, reference=None), side)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    pixels = np.ascontiguousarray(seen.transpose(0, 3, 1, 2))
    said = session.run(None, {"pixels": pixels})[0]
    np.testing.assert_allclose(said, app, atol=1e-4)
    assert (said.argmax(1) == app.argmax(1)).all()
    np.testing.assert_allclose(session.run(None, {"pixels": pixels[:1]})[0], app[:1], atol=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_the_same(name: str) -> None:
    agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_make_a_square_says_the_same(way: str) -> None:
    agrees("squeezenet1_1", **WAYS[way])
