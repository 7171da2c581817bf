"""A network as a graph that other programs run: bytes in, what the network says and what it saw out. Needs torch."""

import contextlib
import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tl_engine.base.parallel import batched
from tl_engine.classifiers.predictor import Predictor
from tl_engine.graphs.graph import FEATURES, LOGITS, PIXELS
from tl_engine.networks.models import flat_features, main_logits
from tl_engine.networks.preprocessing import Preprocess

if TYPE_CHECKING:
    from torch.export import ExportedProgram

BATCH = 32
EXAMPLES = 2  # pictures in the pass that is recorded; of one, its number would become part of the graph
Network = TypeVar("Network", bound=nn.Module)


class Deployed(nn.Module):
    """Bytes (B, 3, S, S) RGB to logits (B, C) and features (B, D): all of the preprocessing after the square is inside.

    The features are those the verdict "unlike" is made of: what the frozen backbone hands to its head.
    """

    factor: Tensor  # (1, 3, 1, 1)
    shift: Tensor
    frozen: nn.Module
    frozen_head: nn.Module

    def __init__(self, predictor: Predictor, *, compares: bool = True) -> None:
        super().__init__()
        network, frozen = predictor.network, predictor.frozen if compares else None
        self.learnt = network.model
        self.looks_twice = frozen is not None
        self.frozen = frozen.model if frozen else nn.Identity()
        self.frozen_head = frozen.head if frozen else nn.Identity()
        self.head = network.head  # last: a tensor with several names gets the last one in the graph
        self.side = predictor.preprocess.crop
        self.bgr = predictor.preprocess.channels == "bgr"
        factor, shift = _numbers(predictor.preprocess)
        self.register_buffer("factor", factor)
        self.register_buffer("shift", shift)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features."""
        if self.bgr:
            pixels = pixels.flip(1)
        images = pixels.float() * self.factor - self.shift
        logits, seen = _looked(self.learnt, self.head, images)
        if self.looks_twice:
            _, seen = _looked(self.frozen, self.frozen_head, images)
        return logits, flat_features(seen)


class Answering(nn.Module):
    """Bytes (B, 3, S, S) RGB to calibrated probabilities (B, C). What is unlike is not its question."""

    temperature: Tensor  # ()

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.network = Deployed(predictor, compares=False)
        self.register_buffer("temperature", torch.tensor(predictor.temperature))

    def forward(self, pixels: Tensor) -> Tensor:
        """The probabilities."""
        logits: Tensor = self.network(pixels)[0]
        return (logits / self.temperature).softmax(1)


def recorded(network: Deployed | Answering) -> "ExportedProgram":
    """The network as torch.export records it, for any number of pictures."""
    deployed = _apart(network)
    side = network.side if isinstance(network, Deployed) else network.network.side
    pixels = torch.zeros(EXAMPLES, 3, side, side, dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(deployed, (pixels,), dynamic_shapes=({0: torch.export.Dim("batch")},))


def _apart(network: Network) -> Network:
    """A copy to be recorded, on the CPU: the predictor goes on with its own."""
    alone = copy.deepcopy(network.eval()).cpu()
    for parameter in alone.parameters():
        # Not `to`: a 1 x 1 convolution counts as contiguous and keeps the strides of channels_last, which the graph
        # would then copy with a dozen nodes.
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    return alone


def as_onnx(program: "ExportedProgram") -> bytes:
    """The recorded network as an ONNX file, its tensors inside."""
    made = torch.onnx.export(
        program, (), input_names=[PIXELS], output_names=[LOGITS, FEATURES], dynamo=True, external_data=False,
        verbose=False,
    )  # fmt: skip
    if made is None:
        raise TypeError("torch.onnx.export made nothing")
    written: bytes = made.model_proto.SerializeToString()
    return written


def save_exported(predictor: Predictor, path: Path) -> None:
    """The network in torch.export's own format, which Python reads with torch alone. Raises OSError."""
    torch.export.save(recorded(Answering(predictor)), path)


def said_by_exported(
    path: Path, pixels: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The probabilities (N, C) of N pictures (S, S, 3) by what `save_exported` wrote, and what its last linear layer
    was given (N, D); None where it has none of rows."""
    network = _Watched(torch.export.load(path).module())
    with torch.no_grad():
        said = [network.run(_stacked(batch)).numpy() for batch in batched(pixels, BATCH)]
    given = np.concatenate(network.given) if network.given else None
    return np.concatenate(said), given if given is not None and given.ndim == 2 else None


class _Watched(torch.fx.Interpreter):
    """Runs a recorded network, and keeps what its last linear layer is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        linear = [node for node in self.graph.nodes if node.target is torch.ops.aten.linear.default]
        self.last = linear[-1] if linear else None
        self.given: list[NDArray[np.float32]] = []

    def run_node(self, n: torch.fx.Node) -> Any:
        """One step."""
        if n is self.last:
            self.given.append(self.env[n.args[0]].numpy())
        return super().run_node(n)


class OnPhone(nn.Module):
    """The same for one picture with its colours last, (1, S, S, 3) float32 bytes, as phones hand them over."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.answering = Answering(predictor)

    def forward(self, pixels: Tensor) -> Tensor:
        """The probabilities (1, C)."""
        return self.answering(pixels.permute(0, 3, 1, 2))  # type: ignore[no-any-return]


def save_lite(predictor: Predictor, path: Path) -> None:
    """The network for LiteRT, once called TensorFlow Lite. Needs litert-torch. Raises OSError."""
    import litert_torch

    network, side = _apart(OnPhone(predictor)), predictor.preprocess.crop
    with contextlib.redirect_stdout(sys.stderr):  # it tells its steps, and our stdout may be json
        litert_torch.convert(network, (torch.zeros(1, side, side, 3),)).export(str(path))


def said_by_lite(path: Path, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The probabilities (N, C) of N pictures (S, S, 3) by what `save_lite` wrote."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for picture in pixels:
        interpreter.set_tensor(given, picture[None].astype(np.float32))
        interpreter.invoke()
        rows.append(interpreter.get_tensor(answer)[0].copy())
    return np.stack(rows)


def _stacked(batch: Sequence[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).contiguous()


def _numbers(preprocess: Preprocess) -> tuple[Tensor, Tensor]:
    """Factor and shift (1, 3, 1, 1) of a byte, as Preprocess.normalised has them."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preprocess.mean, preprocess.std))
    return preprocess.scale / 255 / std, mean / std


def _looked(model: nn.Module, head: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and what the head was given."""
    given: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    try:
        logits = main_logits(model(images))
    finally:
        handle.remove()
    return logits, given[0]
