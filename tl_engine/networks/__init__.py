"""What computes: models, preprocessing, the hardware, features and their cache. The first floor with torch."""

from tl_engine.backbones.libraries import VISION, import_without_compiler

import_without_compiler(VISION)  # before any module here imports a part of it
