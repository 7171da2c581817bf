"""Who asks: written into a request's scope by the gate, read by whoever must be fair or must know a teacher."""

from typing import Any

PERSON, ROLE = "tl_person", "tl_role"  # keys of an ASGI scope
NOBODY = "nobody"  # a call that came past the gate, as in a test of a handler
PUPIL, TEACHER = "pupil", "teacher"  # by the code that was given; "" where a page asks for none


def person_of(request: Any) -> str:
    """A name for who sent a request (Gradio's or Starlette's), the same for all that they send.

    Not a secret, and no workspace: it says whose turn it is, never what they may see.
    """
    return str(_scope(request).get(PERSON, NOBODY))


def asker_name(request: Any) -> str:
    """The same for whoever counts what a person has; "" for nobody, who is no person to be counted."""
    person = person_of(request)
    return "" if person == NOBODY else person


def role_of(request: Any) -> str:
    """PUPIL, TEACHER, or "" where the page asks nobody for a code."""
    return str(_scope(request).get(ROLE, ""))


def _scope(request: Any) -> dict[str, Any]:
    """The ASGI scope: a `gr.Request` wraps the request that has it; one made by hand has none."""
    inner = getattr(request, "request", None) or request
    scope = getattr(inner, "scope", None)
    return scope if isinstance(scope, dict) else {}
