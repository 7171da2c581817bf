"""Ask a page that is running what is on a photo: upload it, then call /predict in one round trip.

    python -m examples.predict_over_http http://127.0.0.1:7860 photo.jpg --classifier cats-or-dogs

Needs httpx and nothing of ours, so it can be copied into any program.
"""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path

import httpx

SESSION = secrets.token_hex(8)  # always the same: without one Gradio makes a new session for every call


def uploaded(page: httpx.Client, photo: Path) -> dict[str, object]:
    """The photo as the page knows it now, the way an input names a file."""
    with photo.open("rb") as file:
        answer = page.post("/gradio_api/upload", files={"files": (photo.name, file)})
    path = answer.raise_for_status().json()[0]
    return {"path": path, "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}


def predicted(page: httpx.Client, photo: Path, classifier: str) -> dict[str, float]:
    """{class: probability}. Raises RuntimeError with the page's own sentence when it refuses."""
    asked = {"data": [uploaded(page, photo), classifier], "session_hash": SESSION}
    answer = page.post("/gradio_api/run/predict", json=asked)
    told = answer.json()
    if answer.is_error:
        raise RuntimeError(told.get("error") or told.get("detail"))
    probabilities: dict[str, float] = told["data"][0]
    return probabilities


def main(argv: Sequence[str] | None = None) -> int:
    """Predict and print, the likeliest class first; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="Where the page answers.")
    parser.add_argument("photo", type=Path, help="A picture file.")
    parser.add_argument("--classifier", default="imagenet", help="imagenet, a classifier that ships, or a run's token.")
    arguments = parser.parse_args(argv)
    with httpx.Client(base_url=arguments.page, timeout=60) as page:
        found = predicted(page, arguments.photo, arguments.classifier)
    for class_name, probability in sorted(found.items(), key=lambda pair: -pair[1])[:5]:
        print(f"{class_name}: {probability:.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
