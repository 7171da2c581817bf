"""A lesson as its people meet it: a teacher and two pupils, each in a browser of their own."""

import contextlib
import io
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import loaded, make_data, open_tab, unfold
from tests.class_page import CODE
from tests.serving import PROJECT, Server, free_port

Visit = Callable[..., Page]


@dataclass
class ClassServer(Server):
    """A class's page, whose door is a stub that lets in whoever says who they are."""

    def start(self, seconds: float = 300) -> "ClassServer":
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.class_page", str(self.port), str(self.folder)]
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(self.url, timeout=5)
                return self
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.2)
        self.kill()
        raise AssertionError("the page did not start")


@pytest.fixture
def class_server(tmp_path: Path) -> Iterator[ClassServer]:
    """A page of its own."""
    running = ClassServer(tmp_path, free_port())
    yield running.start()
    running.stop()


@pytest.fixture
def enter(browser: Browser, class_server: ClassServer) -> Iterator[Callable[[str], BrowserContext]]:
    """Opens the door in a browser of its own."""
    contexts: list[BrowserContext] = []

    def open_door(role: str) -> BrowserContext:
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{class_server.url}/enter-as/{role}")
        page.close()
        return context

    yield open_door
    for context in contexts:
        context.close()


def prepare_lesson(page: Page) -> str:
    """Fill in the form and save: the link, as this computer finds it."""
    open_tab(page, "Class")
    page.locator("#lesson-title textarea, #lesson-title input").first.fill("Red or blue")
    page.locator("#lesson-classes textarea, #lesson-classes input").first.fill("blue, red")
    page.locator("#lesson-open input[name=classes], #lesson-open label:has-text('The classes') input").first.uncheck()
    page.locator("#lesson-save").click()
    expect(page.locator("#lesson-qr svg")).to_be_visible()
    link = str(page.locator("#lesson-link textarea, #lesson-link input").first.input_value())
    assert link.endswith(f"#code={CODE}")
    return link


def join_lesson(page: Page, name: str) -> None:
    expect(page.locator("#lesson-about")).to_contain_text("Red or blue")
    page.locator("#pupil-name textarea, #pupil-name input").first.fill(name)
    page.locator("#pupil-name textarea, #pupil-name input").first.press("Enter")
    expect(page.locator("#lesson-pupil-said")).to_contain_text(f"Hello {name}")
    expect(page.locator("#pupil-name")).to_be_hidden()


def bring_photos(page: Page, folder: Path) -> None:
    for number, label in ((1, "blue"), (2, "red")):
        files = sorted((folder / label).iterdir())
        with page.expect_file_chooser() as chooser:
            page.locator(f"#add-{number}").click()
        chooser.value.set_files(files)
        expect(page.locator(f"#count-{number}")).to_contain_text(f"{len(files)} photos")


def pick(page: Page, name: str) -> None:
    page.locator("#class-pupil input").click()
    page.get_by_role("option", name=name, exact=True).click()


def test_a_lesson_from_the_link_to_the_zip(
    visit: Visit, enter: Callable[[str], BrowserContext], class_server: ClassServer, tmp_path: Path
) -> None:
    teacher = visit(class_server.url, enter("teacher"))
    link = prepare_lesson(teacher)
    opened = f"{class_server.url}/{link.partition('/?')[1].lstrip('/')}{link.partition('/?')[2]}"

    ana, ben = visit(opened, enter("pupil")), visit(opened, enter("pupil"))
    for page, name in ((ana, "Ana <i>"), (ben, "Ben")):
        join_lesson(page, name)
        expect(page.get_by_role("tab", name="Class", exact=True)).to_have_count(0)
        expect(page.locator("#title-1 textarea, #title-1 input").first).to_have_value("blue")
        expect(page.locator("#add-class")).to_be_disabled()
    make_data(tmp_path / "hers", each=6)
    bring_photos(ana, tmp_path / "hers")
    expect(teacher.locator("#class-table")).to_contain_text("Ana <i>")
    expect(teacher.locator("#class-table")).to_contain_text("2 pupils, 2 here now")

    teacher.locator("#class-freeze").click()
    expect(teacher.locator("#class-said")).to_contain_text("Training is paused")
    expect(ben.locator("#lesson-note")).to_contain_text("Your teacher has paused training")
    ana.locator("#photos-train").click()
    expect(ana.locator("#status")).to_contain_text("Waiting")
    expect(teacher.locator("#class-table")).to_contain_text("waiting")
    teacher.locator("#class-freeze").click()
    expect(ana.locator("#status")).to_contain_text("Finished")
    expect(teacher.locator("#class-table")).to_contain_text("12 of 12 right")
    expect(ben.locator("#lesson-note")).not_to_contain_text("paused")

    pick(teacher, "Ana <i>")
    teacher.locator("#class-show").click()
    expect(ben.locator("#lesson-stage")).to_contain_text("12 of 12 right")
    expect(ben.locator("#lesson-stage")).not_to_contain_text("Ana")
    assert "Ana" not in ben.content()
    ben.get_by_role("link", name="Try this classifier").click()
    loaded(ben)
    expect(ben.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")

    unfold(teacher, "keeping-box")
    teacher.locator("#class-pack").click()
    expect(teacher.locator("#class-download")).to_be_visible()
    with teacher.expect_download() as download:
        teacher.locator("#class-download").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as packed:
        names = packed.namelist()
    assert sum(bool(re.match(r"Ana -i-?/photos/.*/(blue|red)/", name)) for name in names) == 12
    assert any(name.endswith("/model.safetensors") for name in names)
    assert any(name.endswith(".html") for name in names)
    teacher.locator("#class-delete").click()
    expect(teacher.locator("#class-delete-question")).to_contain_text("2 pupils with their names, 12 photos")
    teacher.locator("#class-delete-yes").click()
    expect(teacher.locator("#keeping-said")).to_contain_text("Deleted")
    assert list(class_server.folder.glob("uploads/*/.pupil.json")) == []
    assert not list(class_server.folder.glob("uploads/*/own-*"))
