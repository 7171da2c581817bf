"""`python -m tl_engine spare`: the process that the page keeps ready, imports done, until it is told what to train."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tl_engine.commands.printing import FINISHED
from tl_engine.runs.process import ASKED_AT


def spare_command(arguments: argparse.Namespace) -> int:
    """Import all that training needs, wait for a line with arguments on stdin, and run them as this process."""
    import tl_engine.training.trainer  # noqa: F401

    line = sys.stdin.readline()
    if not line:  # whoever would have used this process is gone
        return FINISHED
    job = json.loads(line)
    with Path(job["errors"]).open("ab") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    os.environ[ASKED_AT] = str(time.time())
    asked = arguments.parser.parse_args(job["arguments"])
    code: int = asked.function(asked)
    return code
