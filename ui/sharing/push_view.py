"""Pushing a classifier to a visitor's own account: on a Space, by whoever is signed in, with no other's token."""

import importlib.util
import os
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.settings import Settings
from tl_engine.hub.push import push
from tl_engine.workspaces.workspace import open_run
from ui.parts.acting import answer_html, answering, said_line
from ui.parts.components import Updates
from ui.parts.wording import QUIET

OAUTH = (
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
    "OAUTH_SCOPES",
    "OPENID_PROVIDER_URL",
)  # a Space with hf_oauth has them
LIBRARIES = ("authlib", "itsdangerous")  # what Gradio signs in with; gradio[oauth] brings them
SIGNED_OUT = "You are not signed in any more: sign in above, and push again."
AT_ONCE = 1  # push; it holds a whole network


def may_sign_in() -> bool:
    """Whether this is a Space where visitors can sign in. Elsewhere Gradio would only pretend."""
    space = "SPACE_ID" in os.environ and os.environ.get("SYSTEM") == "spaces"
    return space and all(map(os.environ.get, OAUTH)) and all(map(importlib.util.find_spec, LIBRARIES))


class PushView:
    """Lays out a name and a button, to be seen by whoever is signed in; nothing where nobody can."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.there = may_sign_in()
        if not self.there:
            return
        with gr.Column(visible=False, elem_id="push-box") as self.box:
            self.repo = gr.Textbox(
                label="Name on the Hub", info="Only you see it there. USER/NAME, or NAME for your own account.",
                max_length=120, elem_id="push-name",
            )  # fmt: skip
            self.button = gr.Button("Push to the Hub", elem_id="push", min_width=120)
            self.said = said_line("push-said")

    def connect(self, run: gr.Textbox, page: gr.Blocks) -> None:
        """Wire the button, and show it to whoever is signed in."""
        if self.there:
            page.load(self.show_signed_in, None, [self.box], **QUIET)
            self.button.click(
                answering(self.push_run, self.said), [run, self.repo], [self.repo, self.said],
                api_visibility="private", concurrency_limit=AT_ONCE, concurrency_id="push",
                show_progress_on=self.said,
            )  # fmt: skip

    def show_signed_in(self, visitor: gr.OAuthToken | None) -> Updates:
        """Whether it is there."""
        return {self.box: gr.Column(visible=visitor is not None)}

    def push_run(self, run: str, repo: str, visitor: gr.OAuthToken | None, profile: gr.OAuthProfile | None) -> Updates:
        """Push the page's run as this visitor."""
        if visitor is None or profile is None:
            raise EngineError(SIGNED_OUT)
        return self.pushed(run, repo, visitor.token, profile.username)

    def pushed(self, run: str, repo: Any, token: str, user: str) -> Updates:
        """The same by token and name. Raises EngineError in words for a page."""
        name = str(repo or "").strip()
        name = name if "/" in name or not name else f"{user}/{name}"
        try:
            done = push(open_run(run or "", self.settings), name, self.settings, token=token)
        except HubError as error:
            raise HubError(_for_page(str(error))) from None
        return {
            self.repo: gr.Textbox(value=done.repo),
            self.said: answer_html(f"It is at {done.url}, where only you see it; hub:{done.repo} names it."),
        }


def _for_page(sentence: str) -> str:
    """A refusal without what only a terminal can do."""
    return sentence.split(", or --update", 1)[0].rstrip(".") + "."
