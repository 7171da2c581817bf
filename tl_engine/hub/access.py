"""The hub as this program asks it: names that are no paths, whether it can be reached, and what its errors mean.

A token is in no message, log or event. The hub's client is imported inside functions.
"""

import re
import urllib.parse
from typing import TYPE_CHECKING, Literal

from tl_engine.base.download import hub_endpoint, proxied, reachable
from tl_engine.base.errors import HubError, without_paths
from tl_engine.base.files import is_disk_full
from tl_engine.base.names import visible
from tl_engine.sources.hub import WORD

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPO = re.compile(rf"{WORD}/{WORD}", re.ASCII)
REPO_LENGTH = 96  # characters, the hub's own rule
TOKEN = re.compile(r"[\x21-\x7e]{1,400}")  # what may stand in a header
ANSWERS = {
    401: "the hub does not know the token",
    402: "the account has to pay for that, or has used up what it had",
    403: "the token may not do that",
    429: "the hub was asked too often",
}
REASON_LENGTH = 160  # characters of somebody else's error
Token = str | Literal[False]  # False: as nobody in particular, even where somebody is logged in


def checked_repo(name: str) -> str:
    """The name of a repository, USER/NAME. Raises HubError, before anything is asked."""
    if not isinstance(name, str) or not REPO.fullmatch(name) or len(name) > REPO_LENGTH:
        raise HubError(
            f"{visible(str(name))[:80]!r} is no repository's name on the hub: write USER/NAME, of letters, digits, "
            "dots, dashes and underscores."
        )
    return name


def host_name() -> str:
    """Which hub that is, for people."""
    return urllib.parse.urlsplit(hub_endpoint()).hostname or "the hub"


def hub_api(token: Token) -> "HfApi":
    """The client that asks as whose token that is. Raises HubError for what can be no token."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # what is told of progress is an event, and stderr may be a host's log
    if token and not TOKEN.fullmatch(token):
        raise HubError("The token for the hub has blanks or other letters that no token has: copy it again.")
    return HfApi(endpoint=hub_endpoint(), token=token)


def check_reachable(what: str) -> None:
    """Raise HubError within seconds where there is no way to the hub; the client itself would try for long."""
    endpoint = hub_endpoint()
    if not proxied(endpoint) and not reachable(endpoint):
        raise HubError(f"{what}, since {host_name()} cannot be reached from here: try again with a network.")


def status_of(error: BaseException) -> int | None:
    """The number that the hub answered with, if it answered."""
    number = getattr(getattr(error, "response", None), "status_code", None)
    return number if isinstance(number, int) else None


def reason_of(error: BaseException, token: Token = False) -> str:
    """What went wrong in a few words: no token, no path, one line."""
    if is_disk_full(error):
        return "the disk is full"
    if (status := status_of(error)) is not None:
        return ANSWERS.get(status, f"the hub answered with error {status}")
    if type(error).__module__.startswith("httpx") or isinstance(error, ConnectionError | TimeoutError):
        return "the connection broke off"
    text = " ".join(without_paths(str(error)).split()) or type(error).__name__
    text = visible(text.replace(token, "...") if token else text)
    return text[:REASON_LENGTH].rstrip(" .:").replace(". ", ", ")
