"""Whether a table of tensors is that of a network: by names and shapes, whatever wrapper's prefix the names carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from tl_engine.base.errors import WeightsError
from tl_engine.base.names import visible

COMPILED = "_orig_mod."  # torch.compile puts it anywhere into a name
Tensors = Mapping[str, Tensor]


class MisfitError(WeightsError):
    """Tensors that are not those of the network; `trouble` goes on after the name of what they are."""

    def __init__(self, trouble: str) -> None:
        super().__init__(f"The weights {trouble}")
        self.trouble = trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a network wants of a file."""

    name: str  # of the architecture
    own: Tensors  # the network's tensors by name; only their shapes are looked at
    optional: tuple[str, ...]  # prefixes of what a file may lack
    loose: tuple[str, ...]  # prefixes under which a file may hold more: somebody's own head

    @property
    def needed(self) -> list[str]:
        """The names that must be there; batch norm's counters need not."""
        return [n for n in self.own if not n.startswith(self.optional) and not n.endswith("num_batches_tracked")]


def fitted(weights: Tensors, demand: Demand) -> dict[str, Tensor]:
    """The tensors that the network takes, by its own names. Raises MisfitError, in one sentence.

    A wrapper's prefix (`module.`, `model.backbone.`) is whatever stands before the name of the first tensor needed.
    """
    plain = {name.replace(COMPILED, ""): tensor for name, tensor in weights.items()}
    tables = {prefix: _without(prefix, plain) for prefix in _prefixes(plain, demand.needed[0])}
    whole = [prefix for prefix, table in tables.items() if not _missing(table, demand)]
    if not whole:
        raise _incomplete(min((_missing(table, demand) for table in tables.values()), key=len), plain, demand)
    if "" not in whole and len(whole) > 1:
        raise MisfitError(
            f"hold {demand.name} more than once ({visible(', '.join(whole))}): save one of them as its own file."
        )
    table = tables["" if "" in whole else whole[0]]
    if more := _more(table, demand):
        raise MisfitError(
            f"do not fit {demand.name}: they are of a larger network, with {len(more)} more layers, the "
            f"first is {visible(more[0])}: choose the architecture that they are of."
        )
    fitting = {name: table[name] for name in demand.own if _fits(name, table, demand)}
    for name, tensor in fitting.items():
        if demand.own[name].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise MisfitError(f"hold {name} as {kind}, rounded or packed numbers that are not the weights themselves: "
                              "use the file they were made from.")  # fmt: skip
    return fitting


def _prefixes(weights: Tensors, first: str) -> Sequence[str]:
    found = [name.removesuffix(first) for name in weights if name.endswith(f".{first}")]
    return list(dict.fromkeys(["", *found]))


def _without(prefix: str, weights: Tensors) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _fits(name: str, table: Tensors, demand: Demand) -> bool:
    return name in table and table[name].shape == demand.own[name].shape


def _missing(table: Tensors, demand: Demand) -> list[str]:
    return [name for name in demand.needed if not _fits(name, table, demand)]


def _more(table: Tensors, demand: Demand) -> list[str]:
    """The layers that a deeper relative has besides: every name of ResNet-18 is one of ResNet-34 as well."""
    trunk = {name.split(".")[0] for name in demand.needed}
    return [
        name
        for name in table
        if name not in demand.own
        and name.endswith(".weight")
        and name.split(".")[0] in trunk
        and not name.startswith(demand.loose)
    ]


def _incomplete(missing: list[str], weights: Tensors, demand: Demand) -> MisfitError:
    start = visible(next(iter(weights), "nothing"))[:60]
    return MisfitError(
        f"do not fit {demand.name}: {len(missing)} tensors are missing or of another shape, the first is "
        f"{missing[0]}, where the file begins with {start}: use one of torchvision's or "
        "timm's names for this architecture."
    )
