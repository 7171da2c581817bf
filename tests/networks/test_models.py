"""Heads, freezing, losses and hashes: what models.py promises beyond the contract of test_every_architecture."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.networks.test_every_architecture import CLASSES, Built, build, pictures
from tl_engine.backbones.architectures import ARCHITECTURES, get_architecture
from tl_engine.base.errors import ConfigError, WeightsError
from tl_engine.networks.models import (
    backbone_hash,
    backbone_outputs,
    build_model,
    count_parameters,
    freeze_backbone,
    head_names,
    head_of,
    main_logits,
    new_head,
)
from tl_engine.networks.small_vgg import SmallVGG
from tl_engine.training.epochs import classification_loss

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def resnet() -> Built:
    return build("resnet18")


def test_frozen_backbone_has_no_gradients(resnet: Built) -> None:
    row, model = resnet
    freeze_backbone(model, row)
    classification_loss(model(pictures(row.name)), torch.tensor([0, 1]), nn.CrossEntropyLoss()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["fc.weight", "fc.bias"]
    assert not any(module.training for module in model.modules())


def test_frozen_batchnorm_keeps_its_statistics(resnet: Built) -> None:
    row, model = resnet
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    freeze_backbone(model, row)
    model(pictures(row.name))
    assert all(torch.equal(b, buffers[name]) for name, b in model.named_buffers())
    freeze_backbone(model, row, frozen=False)
    model(pictures(row.name))
    assert not torch.equal(model.get_buffer("bn1.running_mean"), buffers["bn1.running_mean"])


def test_a_freed_backbone_learns_again(resnet: Built) -> None:
    row, model = resnet
    freeze_backbone(model, row)
    freeze_backbone(model, row, frozen=False)
    assert all(p.requires_grad for p in model.parameters())
    assert all(module.training for module in model.modules())


def test_features_of_a_frozen_backbone_can_train_a_head(resnet: Built) -> None:
    row, model = resnet
    freeze_backbone(model, row)
    head = head_of(model, row)
    features = backbone_outputs(model, head, pictures(row.name))
    assert not features.requires_grad
    head(features).sum().backward()
    assert head.weight.grad is not None


def test_every_layer_of_the_blogs_head_learns() -> None:
    row = ARCHITECTURES["vgg16_blog"]
    with torch.device("meta"):
        model = build_model(row, CLASSES, None)
    freeze_backbone(model, row)
    learning = [(name, tuple(p.shape)) for name, p in model.named_parameters() if p.requires_grad]
    assert learning == [
        ("classifier.0.weight", (4096, 25088)),
        ("classifier.0.bias", (4096,)),
        ("classifier.3.weight", (4096, 4096)),
        ("classifier.3.bias", (4096,)),
        ("classifier.6.weight", (CLASSES, 4096)),
        ("classifier.6.bias", (CLASSES,)),
    ]
    kinds = [type(layer) for layer in head_of(model, row).children()]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert [m.p for m in head_of(model, row).children() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_small_vgg_is_the_one_of_the_design() -> None:
    model = SmallVGG(CLASSES)
    convolutions = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
    linears = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    assert linears == [(8192, 1024), (1024, 1024), (1024, CLASSES)]
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    seen: list[tuple[int, ...]] = []
    for layer in model.features:
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape[1:])))
    assert model(pictures("small_vgg")).shape == (2, CLASSES)
    assert seen == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_signals_survive_the_small_vggs_ten_layers() -> None:
    torch.manual_seed(0)
    features = SmallVGG(CLASSES).features(pictures("small_vgg"))
    assert 0.1 < features.std() < 10


def test_a_linear_head_keeps_its_inputs() -> None:
    head = new_head(nn.Linear(7, 1000), CLASSES)
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (7, CLASSES)


def test_a_convolutional_head_keeps_its_kernel() -> None:
    head = new_head(nn.Conv2d(7, 1000, 3, stride=2), CLASSES)
    assert isinstance(head, nn.Conv2d)
    assert tuple(head.weight.shape) == (CLASSES, 7, 3, 3)
    assert head.stride == (2, 2)
    assert head.weight.std() < 0.05
    assert not head.bias.any()


def test_all_layers_of_a_whole_classifier_start_anew() -> None:
    old = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1000))
    head = new_head(old, CLASSES)
    assert head(torch.zeros(2, 4)).shape == (2, CLASSES)
    assert not torch.equal(head[0].weight, old[0].weight)
    assert old[2].out_features == 1000


def test_another_kind_of_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind Identity cannot be replaced"):
        new_head(nn.Identity(), CLASSES)


def test_squeezenets_relu_and_pooling_belong_to_its_head() -> None:
    row, model = build("squeezenet1_1")
    kinds = [type(layer) for layer in head_of(model, row).children()]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.AdaptiveAvgPool2d]
    assert head_names(model, row) == ["classifier.1.0.weight", "classifier.1.0.bias"]


def test_a_convolutional_head_of_timm_gets_no_relu() -> None:
    row, model = build("timm:dpn48b")
    model.eval()
    with torch.no_grad():
        assert model(pictures(row.name)).min() < 0


def test_inception_adds_two_fifths_of_the_auxiliary_loss() -> None:
    criterion, labels = nn.CrossEntropyLoss(), torch.tensor([0, 2])
    main, auxiliary = torch.randn(2, CLASSES), torch.randn(2, CLASSES)
    expected = criterion(main, labels) + 0.4 * criterion(auxiliary, labels)
    torch.testing.assert_close(classification_loss((main, auxiliary), labels, criterion), expected)
    torch.testing.assert_close(classification_loss(main, labels, criterion), criterion(main, labels))
    assert main_logits((main, auxiliary)) is main
    assert main_logits(main) is main


def test_inception_scales_its_inputs_as_its_weights_want() -> None:
    from torchvision.models import Inception_V3_Weights, inception_v3

    published = inception_v3(weights=None, init_weights=False, transform_input=True)
    _, model = build("inception_v3", None)
    assert Inception_V3_Weights.DEFAULT.meta["min_size"] == (75, 75)
    assert model.transform_input == published.transform_input
    assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in published.named_parameters()}


def test_both_of_inceptions_heads_are_new() -> None:
    _, model = build("inception_v3")
    assert (model.fc.out_features, model.AuxLogits.fc.out_features) == (CLASSES, CLASSES)


def inception_backbone() -> dict[str, Tensor]:
    _, model = build("inception_v3", None)
    return {n: t for n, t in model.state_dict().items() if not n.startswith(("fc.", "AuxLogits."))}


def test_a_backbone_without_its_auxiliary_branch_hashes_the_same_every_time() -> None:
    row, weights = ARCHITECTURES["inception_v3"], inception_backbone()
    first, second = (build_model(row, CLASSES, weights) for _ in range(2))
    assert not torch.equal(first.AuxLogits.conv0.conv.weight, second.AuxLogits.conv0.conv.weight)
    assert backbone_hash(first, row) == backbone_hash(second, row)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("timm:deit_tiny_distilled_patch16_224", "has no single head"),
        ("timm:vit_base_patch16_siglip_224", "kind Identity cannot be replaced"),
        ("timm:nonsense", "timm knows no model 'nonsense'"),
        ("timm:resnet10t.nonsense", "timm knows no model 'resnet10t.nonsense'"),
    ],
)
def test_a_timm_model_without_one_head_is_refused_in_one_sentence(name: str, reason: str) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=reason) as refused:
        build_model(get_architecture(name), CLASSES, None)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def squeezenet() -> Built:
    return build("squeezenet1_1", None)


def test_weights_go_into_the_backbone_and_the_head_is_new(squeezenet: Built) -> None:
    row, source = squeezenet
    model = build_model(row, CLASSES, source.state_dict())
    assert backbone_hash(model, row) == backbone_hash(source, row)
    assert torch.equal(model.features[0].weight, source.features[0].weight)
    assert model(pictures(row.name)).shape == (2, CLASSES)


def test_all_1000_classes_stay_when_none_are_asked_for(squeezenet: Built) -> None:
    row, source = squeezenet
    model = build_model(row, None, source.state_dict())
    torch.testing.assert_close(model.eval()(pictures(row.name)), source.eval()(pictures(row.name)))


def test_a_backbone_without_head_is_enough_for_a_new_head_only(squeezenet: Built) -> None:
    row, source = squeezenet
    backbone = {name: t for name, t in source.state_dict().items() if not name.startswith("classifier")}
    assert backbone_hash(build_model(row, CLASSES, backbone), row) == backbone_hash(source, row)
    with pytest.raises(WeightsError, match=r"2 tensors .* the first is classifier\.1\.weight"):
        build_model(row, None, backbone)


@pytest.mark.parametrize("broken", ["missing", "shape"])
def test_weights_that_do_not_fit_are_refused_naming_the_first_tensor(squeezenet: Built, broken: str) -> None:
    row, source = squeezenet
    weights = dict(source.state_dict())
    if broken == "missing":
        del weights["features.3.squeeze.bias"]
    else:
        weights["features.3.squeeze.bias"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"do not fit squeezenet1_1: 1 .*features\.3\.squeeze\.bias") as refused:
        build_model(row, CLASSES, weights)
    assert "\n" not in str(refused.value)


def test_the_hash_changes_with_one_number_of_the_backbone(squeezenet: Built) -> None:
    row, source = squeezenet
    model = copy.deepcopy(source)
    with torch.no_grad():
        model.features[3].squeeze.bias[0] += 1e-6
    assert backbone_hash(model, row) != backbone_hash(source, row)


def test_the_hash_ignores_head_counters_and_memory_format() -> None:
    row, model = build("timm:resnet10t")
    before = backbone_hash(model, row)
    with torch.no_grad():
        model.fc.weight += 1
    model.get_buffer("bn1.num_batches_tracked").add_(1)
    assert backbone_hash(model.to(memory_format=torch.channels_last), row) == before
    model.get_buffer("bn1.running_mean").add_(1)
    assert backbone_hash(model, row) != before


def test_parameters_are_counted() -> None:
    assert count_parameters(nn.Linear(3, 2).parameters()) == 8
