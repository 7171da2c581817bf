"""A network with pretrained weights in it, and the one sentence when a file is not what its name says."""

from collections.abc import Mapping

from torch import Tensor, nn

from tl_engine.backbones.architectures import ARCHITECTURES, Architecture
from tl_engine.backbones.weights import WeightsSource, load_weights
from tl_engine.base.errors import WeightsError
from tl_engine.base.settings import Settings
from tl_engine.networks.fitting import MisfitError
from tl_engine.networks.models import blank_model, build_model, fitted_backbone, without_numbers
from tl_engine.networks.preprocessing import preprocess_for


def build_pretrained(
    architecture: Architecture, num_classes: int | None, weights: Mapping[str, Tensor], source: WeightsSource
) -> nn.Module:
    """As build_model does, with the weights of `source`. Raises WeightsError that names the file and what it holds."""
    try:
        return build_model(architecture, num_classes, weights)
    except MisfitError as misfit:
        raise _explained(misfit, architecture, weights, source) from None


def load_backbone(
    model: nn.Module, architecture: Architecture, weights: Mapping[str, Tensor], source: WeightsSource
) -> None:
    """Put the weights of `source` into everything but the head, which they may lack.

    Raises WeightsError that names the file and what it holds.
    """
    try:
        model.load_state_dict(fitted_backbone(model, weights, architecture), strict=False)
    except MisfitError as misfit:
        raise _explained(misfit, architecture, weights, source) from None


def check_pretrained(architecture: Architecture, settings: Settings) -> None:
    """Read the weights found on this disk and see that they are what they should be. Raises WeightsError."""
    weights, source = load_weights(architecture, settings)
    preprocess_for(architecture, source.preprocess)
    try:
        fitted_backbone(_outline(architecture), weights, architecture)
    except MisfitError as misfit:
        raise _explained(misfit, architecture, weights, source) from None


def _outline(architecture: Architecture) -> nn.Module:
    with without_numbers():
        return blank_model(architecture)


def _explained(
    misfit: MisfitError, wanted: Architecture, weights: Mapping[str, Tensor], source: WeightsSource
) -> WeightsError:
    if held := _recognised(weights, wanted):
        return WeightsError(
            f"{source.file} holds {held.label}, not {wanted.label}: choose the architecture {held.name}, or put a file "
            f"of {wanted.name} in its place."
        )
    return WeightsError(f"The weights in {source.file} {misfit.trouble}")


def _recognised(weights: Mapping[str, Tensor], wanted: Architecture) -> Architecture | None:
    """The row whose backbone these weights are."""
    for row in ARCHITECTURES.values():
        if row.builder == wanted.builder:
            continue
        try:
            fitted_backbone(_outline(row), weights, row)
        except MisfitError:
            continue
        return row
    return None
