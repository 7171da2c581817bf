"""The libraries come without torch's compiler, and with the real one as soon as somebody asks for it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def said(code: str) -> list[str]:
    """What a process of its own prints, in which nothing was imported before."""
    begun = "import sys\nthere = lambda: 'torch._dynamo' in sys.modules\n"
    done = subprocess.run(
        [sys.executable, "-c", begun + code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.split()


@pytest.mark.slow
def test_what_trains_and_predicts_imports_no_compiler() -> None:
    code = """
import tl_engine.training.trainer, tl_engine.classifiers.predictor
from tl_engine.backbones.libraries import import_timm
from tl_engine.networks.models import blank_model, without_numbers
from tl_engine.backbones.architectures import get_architecture
print(import_timm().__name__, there())
with without_numbers():
    models = [blank_model(get_architecture(name)) for name in ("efficientnet_lite0", "resnet18", "mobilenet_v2")]
print({p.device.type for model in models for p in model.parameters()}, there())
import torch
rule = torch.optim.LBFGS([torch.nn.Parameter(torch.ones(2))])
rule.zero_grad()
print(len(rule.param_groups), there())
"""
    assert said(code) == ["timm", "False", "{'meta'}", "False", "1", "False"]


@pytest.mark.slow
def test_the_real_one_comes_when_it_is_asked_for() -> None:
    code = """
from tl_engine.backbones.libraries import VISION, import_without_compiler
import_without_compiler(VISION)
import torch
from torchvision.ops import roi_align
rule = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
rule.zero_grad()
print(there())
print(roi_align(torch.ones(1, 1, 4, 4), [torch.tensor([[0.0, 0.0, 3.0, 3.0]])], 1).item())
rule.step()
print(there(), torch._dynamo.__name__, torch._dynamo.utils.is_compile_supported("cpu"))
doubled = torch.compile(lambda x: 2 * x, backend="eager")
print(doubled(torch.ones(1)).item())
"""
    said_there = said(code)
    assert said_there[0] == "False"
    assert said_there[1:] == ["1.0", "True", "torch._dynamo", "True", "2.0"]


@pytest.mark.slow
def test_what_a_library_asks_of_the_compiler_beyond_marks_is_the_real_thing(tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text("from torch._dynamo import explain\nfrom torch._dynamo.utils import counters\n")
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
from tl_engine.backbones.libraries import import_without_compiler
asking = import_without_compiler("asking")
import torch._dynamo
print(there(), asking.explain is torch._dynamo.explain, asking.counters is torch._dynamo.utils.counters)
"""
    assert said(code) == ["True", "True", "True"]
