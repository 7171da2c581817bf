"""Smaller copies of a graph: its weights as float16, or as int8 with a scale for each channel. What it computes stays
float32, so the same answers come out on every processor.

Measured (docs/figures.md): float16 weights keep every class, int8 weights move an answer by a few hundredths; static
and dynamic int8, which compute in int8, lost up to half of the photos or saturated on some processors.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tl_engine.graphs.graph import REFERENCE_ROWS

LEAST_NUMBERS = 1024  # of a weight worth shrinking
MOST = 6e4  # a float16 holds no more
Made = tuple[list[TensorProto], NodeProto]
Shrink = Callable[[NDArray[np.float32], str, int], Made]  # of a weight, its name and the axis of its output channels
CHANNELS = {"Conv": 0, "Gemm": 0, "MatMul": -1}  # the axis of the output channels of each kind's weight


def half_weights(graph: ModelProto) -> ModelProto:
    """The same with float16 weights, cast where they are used: half the size."""
    return _replaced(graph, _as_half)


def int8_weights(graph: ModelProto) -> ModelProto:
    """The same with int8 weights, symmetric with a scale for each output channel: a quarter of the size."""
    return _replaced(graph, _as_int8)


def _replaced(graph: ModelProto, shrink: Shrink) -> ModelProto:
    """Give every large weight another form; `shrink` makes its tensors and the node that turns it back."""
    small = ModelProto()
    small.CopyFrom(graph)
    body = small.graph
    kept, made, before = [], [], []
    axes = _axes(small)
    for tensor in body.initializer:
        axis = axes.get(tensor.name)
        weight = None if axis is None else numpy_helper.to_array(tensor).astype(np.float32)
        if axis is None or weight is None or np.abs(weight).max() > MOST:
            kept.append(tensor)
            continue
        tensors, node = shrink(weight, tensor.name, axis)
        made += tensors
        before.append(node)
    nodes = list(body.node)
    del body.initializer[:], body.node[:]
    body.initializer.extend([*kept, *made])
    body.node.extend([*before, *nodes])
    return small


def _axes(graph: ModelProto) -> dict[str, int]:
    """The large weights by name, each with the axis of its output channels."""
    float32 = {t.name: t for t in graph.graph.initializer if t.data_type == TensorProto.FLOAT}
    used = Counter(name for node in graph.graph.node for name in node.input)
    found: dict[str, int] = {}
    for node in graph.graph.node:
        name = node.input[1] if node.op_type in CHANNELS and len(node.input) > 1 else ""
        weight = float32.get(name)
        if weight is None or name == REFERENCE_ROWS or used[name] > 1:
            continue
        if int(np.prod(weight.dims)) > LEAST_NUMBERS:
            found[name] = _channels(node, len(weight.dims))
    return found


def _channels(node: NodeProto, dims: int) -> int:
    if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
        return 1
    return CHANNELS[node.op_type] % dims


def _as_half(weight: NDArray[np.float32], name: str, _axis: int) -> Made:
    half = numpy_helper.from_array(weight.astype(np.float16), f"{name}.half")
    return [half], helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)


def _as_int8(weight: NDArray[np.float32], name: str, axis: int) -> Made:
    others = tuple(a for a in range(weight.ndim) if a != axis)
    scale = np.abs(weight).max(others, keepdims=True) / 127
    scale[scale == 0] = 1
    numbers = np.rint(weight / scale).astype(np.int8)
    tensors = [
        numpy_helper.from_array(numbers, f"{name}.int8"),
        numpy_helper.from_array(scale.astype(np.float32).reshape(-1), f"{name}.scale"),
    ]
    return tensors, helper.make_node("DequantizeLinear", [t.name for t in tensors], [name], axis=axis)
