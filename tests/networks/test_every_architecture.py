"""The contract of models.py for every row: builds, learns one step, predicts, and its head is where the table says."""

import pytest
import torch
from torch import Tensor, nn

from tl_engine.backbones.architectures import ARCHITECTURES, ROWS, Architecture, get_architecture
from tl_engine.networks.models import backbone_outputs, build_model, freeze_backbone, head_names, head_of
from tl_engine.training.epochs import classification_loss

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 3
# The smallest pictures (pixels) that a family takes; 32 for the others.
SIDES = {"alexnet": 64, "small_vgg": 64, "inception_v3": 299, "vit_b_16": 224, "timm:vit_tiny_patch16_224": 224}
TIMM = ("timm:resnet10t", "timm:mobilenetv3_small_050", "timm:vit_tiny_patch16_224", "timm:test_convnext")
Built = tuple[Architecture, nn.Module]


def pictures(name: str, count: int = 2, seed: int = 0) -> Tensor:
    side = SIDES.get(name, 32)
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def build(name: str, classes: int | None = CLASSES) -> Built:
    torch.manual_seed(0)
    row = get_architecture(name)
    return row, build_model(row, classes, None)


@pytest.fixture(scope="module", params=(*ARCHITECTURES, *TIMM))
def built(request: pytest.FixtureRequest) -> Built:
    """One model of each row, shared by the tests below and dropped before the next is made."""
    return build(request.param)


def test_it_predicts_probabilities(built: Built) -> None:
    row, model = built
    with torch.no_grad():
        probabilities = model.eval()(pictures(row.name)).softmax(1)
    assert probabilities.shape == (2, CLASSES)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))


@pytest.mark.slow
def test_head_of_backbone_outputs_is_the_model(built: Built) -> None:
    row, model = built
    images, head = pictures(row.name), head_of(model.eval(), row)
    with torch.no_grad():
        torch.testing.assert_close(head(backbone_outputs(model, head, images)).flatten(1), model(images))


@pytest.mark.slow
def test_one_step_changes_the_head_and_the_first_layer(built: Built) -> None:
    row, model = built
    freeze_backbone(model, row, frozen=False)
    learning = [*head_of(model, row).parameters(), next(model.parameters())]
    before = [p.detach().clone() for p in learning]
    loss = classification_loss(model(pictures(row.name)), torch.tensor([0, 2]), nn.CrossEntropyLoss())
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    model.zero_grad(set_to_none=True)
    assert loss.isfinite()
    assert not any(torch.equal(old, new) for old, new in zip(before, learning, strict=True))


def test_head_names_are_the_last_of_the_state(built: Built) -> None:
    row, model = built
    names = head_names(model, row)
    assert set(names) == {f"{path}" for path in model.state_dict() if head_of(model, row) in owners(model, path)}
    assert names


def owners(model: nn.Module, path: str) -> list[nn.Module]:
    parts = path.split(".")[:-1]
    return [model.get_submodule(".".join(parts[: i + 1])) for i in range(len(parts))]


def test_the_table_has_every_family_of_the_design() -> None:
    families = {"resnet18", "alexnet", "vgg11_bn", "squeezenet1_0", "densenet121", "inception_v3"}
    assert families <= {row.name for row in ROWS}
