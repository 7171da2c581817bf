"""Train on photos of a source of your own: here a table `photo,class`, whose photos lie anywhere.

    python -m examples.new_source labels.csv class-folders

Whatever the source is (a database, a camera, an archive), make class folders of it: everything else then works on
them, and the report says what is wrong with them. A source for everybody is a module in tl_engine/sources instead.
"""

import argparse
import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tl_engine import TrainConfig, inspect, load_data, train


def labelled(table: Path) -> Iterator[tuple[Path, str]]:
    """(photo, class name) of each row; a photo's path may be relative to the table's folder."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            yield table.parent / row["photo"], row["class"]


def make_class_folders(photos: Iterator[tuple[Path, str]], folder: Path) -> None:
    """Copy each photo into the folder of its class; a number keeps photos of one name apart. Raises OSError."""
    for number, (photo, class_name) in enumerate(photos):
        place = folder / class_name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, place / f"{number}-{photo.name}")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folders, report on them, train; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="A CSV file with the columns photo and class.")
    parser.add_argument("folder", type=Path, help="Where the class folders are made.")
    parser.add_argument("--epochs", type=int, default=10, help="Passes over the photos.")
    arguments = parser.parse_args(argv)
    make_class_folders(labelled(arguments.table), arguments.folder)
    data = load_data(arguments.folder)
    print(f"{len(data.records)} photos of {', '.join(data.classes)}")
    for sentence in inspect(arguments.folder).advice:
        print(f"- {sentence}")
    *_, ended = train(TrainConfig(data=str(arguments.folder), epochs=arguments.epochs))
    print(ended)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
