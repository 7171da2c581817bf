"""`python -m benchmarks`: measures what is promised, each pair side by side in one run, and prints a table."""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import large, page, predicting, training
from benchmarks.bench import Bench, take_turns
from benchmarks.photos import few_of, make_data, make_weights
from benchmarks.table import ACCURACY_ROWS, ALL_ROWS, LARGE_ROWS, ROWS, Row, markdown
from tl_engine.base.written import written_path

PROBES = (*training.PROBES, *predicting.PROBES, *page.PROBES, *large.PROBES)
SMALL_EACH = 6  # photos of each class and split with --small


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The switches. Ends the program when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=written_path, help="Folder with train/ and val/, each with class folders.")
    parser.add_argument("--architecture", default="squeezenet1_1", help="A torchvision backbone, such as mobilenet_v2.")
    parser.add_argument("--weights-dir", type=written_path, help="Folder with its weights, NAME.pth.")
    parser.add_argument("--repeats", type=int, default=3, help="Rounds; the median counts (default 3).")
    parser.add_argument("--workers", type=int, help="Of the textbook's loaders (default: see textbook.py).")
    parser.add_argument("--small", action="store_true", help="Only see that it works; makes what --data and "
                        "--weights-dir leave out. The numbers mean nothing.")  # fmt: skip
    parser.add_argument("--large", action="store_true", help="Also embed 10,000 photos (long).")
    parser.add_argument("--accuracy", action="store_true", help="Also train five seeds of each to the end (long).")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[row.name for row in ALL_ROWS],
                        help=f"Only these rows: {', '.join(row.name for row in ALL_ROWS)}.")  # fmt: skip
    arguments = parser.parse_args(argv)
    if not arguments.small and not (arguments.data and arguments.weights_dir):
        parser.error("name --data and --weights-dir, or see with --small alone that it works")
    for split in ("train", "val") if arguments.data else ():
        if not (arguments.data / split).is_dir():
            parser.error(f"--data needs a folder {split}/ in {arguments.data}")
    return arguments


def chosen_rows(arguments: argparse.Namespace) -> list[Row]:
    """Those of --only, else the ones that fit into ten minutes and those asked for beside them."""
    if arguments.only:
        return [row for row in ALL_ROWS if row.name in arguments.only]
    more = (*(LARGE_ROWS if arguments.large else ()), *(ACCURACY_ROWS if arguments.accuracy else ()))
    return [*ROWS, *more]


def make_bench(arguments: argparse.Namespace, scratch: Path) -> Bench:
    """The arguments with what --small makes itself."""
    data, weights_dir = arguments.data, arguments.weights_dir
    if arguments.small:
        data = few_of(data, scratch / "data" / "few", SMALL_EACH) if data else make_data(scratch / "data" / "colours")
        weights_dir = weights_dir or make_weights(scratch / "weights", arguments.architecture)
    return Bench(
        data=data.resolve(),
        architecture=arguments.architecture,
        weights_dir=weights_dir.resolve(),
        scratch=scratch,
        repeats=1 if arguments.small else arguments.repeats,
        small=arguments.small,
        workers=arguments.workers,
    )


def heading(bench: Bench) -> str:
    """What was measured where, in a line."""
    scaled = f"the textbook loop timed over {bench.timed_epochs} epochs and scaled to {bench.epochs}"
    small = " SMALL: these numbers mean nothing." if bench.small else ""
    return (
        f"{bench.architecture} on {bench.data.name}, {os.cpu_count()} cores ({platform.machine()}), median of "
        f"{bench.repeats}, in brackets the extremes; {scaled}.{small}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a measurement failed."""
    arguments = parse(argv)
    rows = chosen_rows(arguments)
    wanted = set().union(*(row.quantities for row in rows))
    probes = [probe for probe in PROBES if wanted.intersection(probe.gives)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tl-benchmarks-") as scratch:
        bench = make_bench(arguments, Path(scratch).resolve())
        samples = take_turns(probes, bench, lambda line: print(line, file=sys.stderr, flush=True))
    print(heading(bench), end="\n\n")
    print("\n".join(markdown(rows, samples)))
    print(f"\n{time.monotonic() - started:.0f} s in all.")
    return 0 if wanted <= samples.keys() else 1


if __name__ == "__main__":
    sys.exit(main())
