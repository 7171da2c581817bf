"""The ONNX graph of a classifier, put together from a recorded network: its head, temperature, softmax, likeness.

No torch here: another head on a frozen backbone is a matter of two tensors.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tl_engine.base.settings import VERSION

PIXELS, LOGITS, FEATURES = "pixels", "logits", "features"
PROBABILITIES, LIKENESS = "probabilities", "likeness"
REFERENCE_ROWS = "reference.rows"  # the initializer with the training photos' directions
HEAD = "head."  # what the head's tensors begin with in a graph
NEAREST = 5  # as classifiers/reference.py
OPSET = 20  # as the exporter's
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What comes after the logits."""

    classes: int
    temperature: float
    reference: NDArray[np.float16] | None  # (M, D) directions of training photos; None: nothing is ever "unlike"


def is_linear(head: Tensors) -> bool:
    """Whether these are the tensors of one linear layer."""
    return {name: tensor.ndim for name, tensor in head.items()} == {f"{HEAD}weight": 2, f"{HEAD}bias": 1}


def head_tensors(learned: Tensors) -> dict[str, NDArray[Any]]:
    """The tensors of a head that was saved alone, by their names in a graph: what follows the path of the head."""
    paths = zip(*(name.split(".")[:-1] for name in learned), strict=False)
    path = "".join(f"{parts[0]}." for parts in itertools.takewhile(lambda parts: len(set(parts)) == 1, paths))
    return {HEAD + name.removeprefix(path): tensor for name, tensor in learned.items()}


def with_head(graph: ModelProto, head: Tensors) -> bool:
    """Put another head's tensors into a graph; False, and nothing is changed, where they do not fit."""
    own = {tensor.name: tensor for tensor in graph.graph.initializer if tensor.name.startswith(HEAD)}
    if own.keys() != head.keys() or any(len(own[n].dims) != head[n].ndim for n in own):
        return False
    if not is_linear(head) and any(tuple(own[n].dims) != head[n].shape for n in own):
        return False
    for name, tensor in own.items():
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(head[name], np.float32), name))
    return True


def finished(graph: ModelProto, ending: Ending, side: int) -> ModelProto:
    """The whole classifier: `pixels` (N, 3, S, S) bytes to `probabilities` (N, C) and, by a reference, `likeness` (N,).

    The likeness is the mean cosine to the five nearest training photos, as classifiers/reference.py has it.
    """
    whole = ModelProto()
    whole.CopyFrom(graph)
    body = whole.graph
    del body.value_info[:], body.output[:], body.input[:], whole.metadata_props[:]
    body.name, whole.producer_name, whole.producer_version = "classifier", "tl_engine", VERSION
    whole.doc_string = "Bytes of an RGB square in; calibrated probabilities out. Scale, mean and deviation are inside."
    body.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["batch", 3, side, side]))
    nodes, constants = _softened(ending.temperature)
    outputs = [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["batch", ending.classes])]
    if ending.reference is not None:
        more, tensors = _likeness(ending.reference)
        nodes, constants = nodes + more, constants | tensors
        outputs.append(helper.make_tensor_value_info(LIKENESS, TensorProto.FLOAT, ["batch"]))
    body.node.extend(nodes)
    body.initializer.extend(numpy_helper.from_array(tensor, name) for name, tensor in constants.items())
    body.output.extend(outputs)
    if ending.reference is None:
        _drop_unused(whole)
    onnx.checker.check_model(whole)
    return whole


def _softened(temperature: float) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    return [
        helper.make_node("Div", [LOGITS, "temperature"], ["softened"]),
        helper.make_node("Softmax", ["softened"], [PROBABILITIES], axis=1),
    ], {"temperature": np.array(temperature, np.float32)}


def _likeness(rows: NDArray[np.float16]) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    node = helper.make_node
    return [
        node("ReduceL2", [FEATURES, "one"], ["length"], keepdims=1),
        node("Max", ["length", "least_length"], ["some_length"]),
        node("Div", [FEATURES, "some_length"], ["direction"]),
        node("Cast", [REFERENCE_ROWS], ["rows"], to=TensorProto.FLOAT),
        node("MatMul", ["direction", "rows"], ["cosines"]),
        node("TopK", ["cosines", "nearest"], ["likenesses", "which"], axis=1),
        node("ReduceMean", ["likenesses", "one"], [LIKENESS], keepdims=0),
    ], {
        REFERENCE_ROWS: np.ascontiguousarray(rows.T.astype(np.float16)),
        "one": np.array([1], np.int64),
        "least_length": np.array(1e-12, np.float32),
        "nearest": np.array([min(NEAREST, len(rows))], np.int64),
    }


def _drop_unused(graph: ModelProto) -> None:
    """Take out what only the features were made by: SqueezeNet's average, where there is no reference."""
    body = graph.graph
    wanted = {output.name for output in body.output}
    kept: list[NodeProto] = []
    for node in reversed(body.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    del body.node[:]
    body.node.extend(reversed(kept))
    used = [tensor for tensor in body.initializer if tensor.name in wanted]
    del body.initializer[:]
    body.initializer.extend(used)


def write_graph(graph: ModelProto, path: Path) -> None:
    """To a file. Raises OSError."""
    path.write_bytes(graph.SerializeToString())
