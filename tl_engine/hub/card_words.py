"""What a card is made of: text that cannot be markup, tables, YAML in front, licences, and snippets that run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tl_engine.backbones.architectures import ARCHITECTURES, Architecture
from tl_engine.backbones.libraries import import_timm
from tl_engine.base.names import clean_class_name
from tl_engine.evaluation.judged import FOLDS
from tl_engine.runs.meta import Meta

# What could begin a list, emphasis, code, a link, a cell, a tag, an entity, a formula or a heading; marks within words
# and at the end of a sentence stay readable.
MARKS = re.compile(r"(?<!\w)-|-(?!\w)|(?<![^\W_])_|_(?![^\W_])|(?<=\d)[.)](?!\S)|:(?=\S)|[!\"#$&*+<=>@\[\\\]^`{|}~]")
# Where a web address or a mail's begins: some renderers make links of these although nothing marks them as such.
LINKS = re.compile(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)")
JOINER = "\u2060"  # nothing to be seen, and no part of any address
OWN = "apache-2.0"
UNKNOWN = "not known, see where they come from"


def md(text: str) -> str:
    """Somebody's words as one line of Markdown that shows just them: every mark is an entity, which is only text."""
    apart = LINKS.sub(JOINER, clean_class_name(text))
    return MARKS.sub(lambda mark: f"&#{ord(mark[0])};", apart)


def named(classes: Sequence[str], most: int) -> str:
    """`ants and bees`; of many the first ones."""
    shown = [md(name) for name in classes[:most]]
    if len(classes) > most:
        return f"{', '.join(shown)} and {len(classes) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def for_timm(meta: Meta, row: Architecture) -> bool:
    """Whether timm knows the network and prepares pictures as we do: the centre in red, green and blue."""
    numbers = meta.preprocessing
    return row.library == "timm" and numbers.get("channels") == "rgb" and numbers.get("fit", "crop") == "crop"


@dataclass(frozen=True, slots=True)
class Licences:
    """On what terms a classifier comes."""

    files: str  # as the hub spells it
    backbone: str  # for people
    base: str | None  # the hub's name of the backbone; None: it has none, or the weights may be others
    note: str  # a sentence more, or ""


def licences(meta: Meta, row: Architecture, *, whole: bool) -> Licences:
    """The terms of its files, `whole` networks or a head alone."""
    if meta.backbone.hash is None:
        return Licences(OWN, "none, it learnt from random numbers", None, "")
    licence, base = (row.licence, row.hub) if row.name in ARCHITECTURES else _published(row)
    if not meta.backbone.weights.startswith(("pip package", "download")):
        base = None
    if not whole:
        return Licences(OWN, licence or UNKNOWN, base, " They are not among these files.")
    return Licences(licence.lower() if licence else "other", licence or UNKNOWN, base, " They are in these files.")


def _published(row: Architecture) -> tuple[str | None, str | None]:
    """Licence and repository of a network that timm alone knows."""
    published = import_timm().get_pretrained_cfg(row.builder)
    return (published.license, published.hf_hub_id) if published else (None, None)


def front_matter(
    meta: Meta, row: Architecture, terms: Licences, report: Mapping[str, Any] | None, repo: str | None, *, as_timm: bool
) -> str:
    """The YAML between dashes; nothing in it was typed by a person."""
    from huggingface_hub import EvalResult, ModelCardData

    told = _told(meta, report)
    results = told and [
        EvalResult(
            task_type="image-classification", dataset_type="imagefolder", dataset_name="photos of who trained it",
            dataset_split="train" if told[1] == FOLDS else told[1], metric_type="accuracy", metric_value=told[0],
            metric_name="accuracy, cross-validated" if told[1] == FOLDS else "accuracy",
        )
    ]  # fmt: skip
    more: dict[str, Any] = {"license_name": "of-the-backbone"} if terms.files == "other" else {}
    data = ModelCardData(
        license=terms.files, library_name="timm" if as_timm else "tl_engine", pipeline_tag="image-classification",
        tags=["image-classification", "transfer-learning", "tl_engine", *(["timm"] if as_timm else [])],
        metrics=["accuracy"], base_model=terms.base, eval_results=results or None,
        model_name=(repo or row.name).split("/")[-1] if results else None, **more,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---"


def _told(meta: Meta, report: Mapping[str, Any] | None) -> tuple[float, str] | None:
    """(accuracy, who judged), of the report, else of the training."""
    if report is not None:
        return round(float(report["accuracy"]), 4), str(report["judged"])
    return (round(meta.figures.val_accuracy, 4), meta.figures.judge) if meta.figures else None


def usage(meta: Meta, row: Architecture, repo: str | None, *, as_timm: bool) -> Iterator[str]:
    """How to use it, as code to copy."""
    yield "## How to use it"
    if repo is None:
        yield "With what lies beside this card:"
        yield "```bash\npython predict.py photo.jpg\n```"
    name = f"hub:{repo}" if repo else "this-folder"
    yield "With the program that made it:"
    yield f"```bash\npython -m tl_engine predict {name} photo.jpg\n```"
    yield (
        "```python\nfrom pathlib import Path\n\nfrom tl_engine import Predictor, find\n\n"
        f'predictor = Predictor.load(find("{name}"))\n'
        'print(predictor.probabilities(predictor.open(Path("photo.jpg"))))\n```'
    )
    if as_timm:
        yield f"With timm alone, as `{row.builder}`:"
        yield (
            "```python\nimport timm\nimport torch\nfrom PIL import Image\n\n"
            f'model = timm.create_model("hf-hub:{repo}", pretrained=True).eval()\n'
            "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)\n"
            'picture = transform(Image.open("photo.jpg").convert("RGB"))[None]\n'
            "with torch.inference_mode():\n"
            f"    probabilities = (model(picture) / {float(meta.temperature)!r}).softmax(1)[0]\n"
            'labels = model.pretrained_cfg["label_names"]\n'
            "print({label: float(p) for label, p in zip(labels, probabilities)})\n```"
        )
