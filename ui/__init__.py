"""Everything that knows Gradio. What Gradio reads from the environment when it is imported is set here, before that."""

import inspect
import os
import tempfile
from typing import Any

from tl_engine.base.written import written_path
from tl_engine.workspaces.scratch import VARIABLE, own_folder
from ui.serving.address import PORT

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ[VARIABLE] = str(written_path(os.environ.get(VARIABLE) or str(own_folder())))
if named := os.environ.pop("GRADIO_SERVER_PORT", None):  # Gradio would slide to the next port, or end in a traceback
    os.environ.setdefault(PORT, named)
if "SPACE_ID" in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - raises nothing; what libraries keep below a home folder
    os.environ.setdefault("XDG_CACHE_HOME", tempfile.mkdtemp(prefix="tl-space-"))


def import_gradio() -> None:
    """Import Gradio without the type stubs that it writes for editors each time: a third of what its import takes.

    It leaves a class out whose file is not to be found (gradio.component_meta.create_or_modify_pyi).
    """
    found = inspect.getfile

    def hidden(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no stub is wanted")
        return found(thing)

    inspect.getfile = hidden  # type: ignore[assignment] # the names of its arguments differ
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = found


import_gradio()
