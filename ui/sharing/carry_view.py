"""Going on on another device: a code is made here and typed there, and that browser's workspace is this one."""

import secrets

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.visits import carry, seen
from tl_engine.workspaces.workspace import Workspace, things
from ui.gate.persons import person_of
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.confirm import Confirm
from ui.parts.wording import QUIET, text

# What follows the # never reaches a server, and goes from the address line once it stands in the field.
FRAGMENT = "carry"  # not the door's own, which takes an access code
READ_CODE = f"() => [(/^#{FRAGMENT}=([0-9A-Za-z-]{{8,12}})$/.exec(location.hash) || ['', ''])[1]]"
CLEAR_CODE = f"""() => {{
  if (location.hash.startsWith('#{FRAGMENT}=')) history.replaceState(null, '', location.pathname + location.search);
}}"""
HERE_ALREADY = "This browser is where the code was made: type it on your other device."
FROM_LINK = (
    "Press Go on here, and this browser shows what your other device has. Only use a code that you made yourself."
)


class CarryView:
    """Lays out the box, closed until somebody wants it; `connect` wires it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, kept: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.kept = kept
        with gr.Column(visible=False, elem_id="carry-box") as self.box:
            gr.HTML("<h3>Go on on another device</h3>", padding=False)
            with gr.Row(elem_classes="tl-named"):
                self.code = gr.Textbox(
                    label="Code", info="For your other device: good for ten minutes and one use.",
                    placeholder="none yet", buttons=["copy"], interactive=False, elem_id="carry-code", scale=2,
                )  # fmt: skip
                self.make = gr.Button("Make a code", size="sm", elem_id="carry-make", scale=1, min_width=110)
            self.link = gr.Textbox(
                label="Or open this link there",
                buttons=["copy"],
                interactive=False,
                visible=False,
                elem_id="carry-link",
            )
            with gr.Row(elem_classes="tl-named"):
                self.typed = gr.Textbox(
                    label="I have a code", info="Made on the device that you come from.", placeholder="ABCD-EFGH",
                    max_length=20, elem_id="carry-typed", scale=2,
                )  # fmt: skip
                self.enter = Confirm("Go on here", "carry-enter", yes="Yes, go on with the other", no="No, stay",
                                     variant="secondary")  # fmt: skip
            self.said = said_line("carry-said")
            self.close = gr.Button("Close", size="sm", elem_id="carry-close")
        self.arrived = gr.Textbox("", visible=False)  # changes when the workspace is another

    def connect(self, page: gr.Blocks, openers: list[gr.Button]) -> None:
        """Wire it; each of `openers` opens the box."""
        opened = act([button.click for button in openers], lambda: {self.box: gr.Column(visible=True)}, None,
                     [self.box], self.said)  # fmt: skip
        opened.then(None, js="() => window.tlShow('carry-box')")
        act(self.close.click, lambda: {self.box: gr.Column(visible=False)}, None, [self.box], self.said)
        act(self.make.click, self.make_code, [self.workspace], [self.code, self.link], self.said)
        changed = [self.workspace, self.kept, self.arrived, self.typed, *self.enter.shown]
        typed = [self.typed, self.workspace]
        act([self.enter.ask.click, self.typed.submit], self.enter_code, typed, changed, self.said)
        act(self.enter.yes.click, self.change_over, typed, changed, self.said)
        act(self.enter.no.click, self.enter.closed, None, self.enter.shown, self.said)
        shown = [self.box, self.typed, self.said]
        page.load(self.open_link, [self.typed], shown, js=READ_CODE, **QUIET).success(None, js=CLEAR_CODE)

    def open_link(self, code: str) -> Updates:
        """What a link holds stands in the field; the press is the person's, who may have got the link from anybody."""
        if not carry.plain_code(code or ""):
            return {self.box: gr.skip(), self.typed: gr.skip(), self.said: gr.skip()}
        return {self.box: gr.Column(visible=True), self.typed: code, self.said: answer_html(FROM_LINK)}

    def make_code(self, workspace: str, request: gr.Request) -> Updates:
        """A code for this workspace, and a link that holds it."""
        code = carry.make_code(Workspace.of(self.settings, workspace))
        return {
            self.code: code,
            self.link: gr.Textbox(value=f"{address_of(request)}/#{FRAGMENT}={code}", visible=True),
            self.said: answer_html("Type the code on your other device within ten minutes, or open the link there."),
        }

    def enter_code(self, code: str, workspace: str, request: gr.Request) -> Updates:
        """Go on with what the code opens; where this browser has something of its own, ask first."""
        visitor = Workspace.of(self.settings, workspace)
        if not carry.plain_code(code or ""):
            raise EngineError("Type the code that your other device shows first.")
        if carry.check_code(self.settings, code, person_of(request)) == visitor:
            raise EngineError(HERE_ALREADY)
        if not seen.has_something(visitor):
            return self.change_over(code, workspace, request)
        question = (
            f"This browser has {plural(len(things(visitor)), 'thing')} of its own here, which could then be reached "
            "from nowhere unless you make a code for them first: go on with the other device's instead?"
        )
        return {self.enter.box: gr.Column(visible=True), self.enter.words: f'<p role="alert">{text(question, 300)}</p>'}

    def change_over(self, code: str, workspace: str, request: gr.Request) -> Updates:
        """This browser's workspace becomes the one that the code opens."""
        if carry.check_code(self.settings, code, person_of(request)).token == workspace:
            raise EngineError(HERE_ALREADY)
        visitor = carry.use_code(self.settings, code, person_of(request))
        seen.note(visitor)
        return {
            self.workspace: visitor.token,
            self.kept: {},
            self.arrived: secrets.token_hex(4),
            self.typed: "",
            **self.enter.closed(),
            self.said: answer_html("This browser goes on with what your other device has."),
        }


def address_of(request: gr.Request) -> str:
    """The page's own address, as this visitor's browser knows it."""
    return request.headers.get("origin") or f"http://{request.headers.get('host', '')}"
