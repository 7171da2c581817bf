"""The blog's small VGG, trained from scratch on small pictures."""

import itertools

from torch import Tensor, nn


class SmallVGG(nn.Module):
    """The blog's small VGG for (B, 3, 64, 64): four blocks of 3x3 convolutions, each halving the side."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512))
        layers: list[nn.Module] = []
        for channels in blocks:
            for before, after in itertools.pairwise(channels):
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 4 * 4, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(1024, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(1024, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # ten layers without normalisation die under PyTorch's default
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits
