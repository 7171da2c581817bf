"""The engine from a terminal: `python -m tl_engine train | resume | predict | inspect | runs | stop | ...`."""

import sys
from collections.abc import Sequence

from tl_engine.base.errors import EngineError
from tl_engine.base.names import printable
from tl_engine.commands.parser import make_parser
from tl_engine.commands.printing import INTERRUPTED, UNHEARD, WRONG, prepare_streams, settle_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a person can mend is one sentence on stderr and code 2."""
    prepare_streams()
    try:
        return _run(argv)
    except BrokenPipeError:  # `predict ... | head -1` has seen enough
        return UNHEARD
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        settle_streams()


def _run(argv: Sequence[str] | None) -> int:
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.function(arguments)
        return code
    except EngineError as error:
        print(printable(str(error)), file=sys.stderr)
        return WRONG


if __name__ == "__main__":
    sys.exit(main())
