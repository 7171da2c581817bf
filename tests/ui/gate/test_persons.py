"""Who asks: a cookie that nobody can make up and that outlives the server, else the address."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ui.gate.asking import LAN, LOCAL, ask, make_gate
from ui.gate.origins import Place
from ui.gate.persons import KEY_FILE, Signer, Visitors, address_of, kept_key

SPACE = Place(local=False, forwarded=True, space=True)
PAGE = {"accept": "text/html,*/*"}


def test_a_browser_gets_a_cookie_with_the_page_and_is_that_person_from_then_on(tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    first = ask(gate, headers=PAGE)
    assert first.json["person"].startswith("browser:")
    again = ask(gate, headers=PAGE | first.cookies)
    assert again.json["person"] == first.json["person"]
    assert again.all("set-cookie") == []
    assert ask(gate, headers=PAGE).json["person"] != first.json["person"]


def test_a_restart_knows_the_cookie_and_another_installation_does_not(tmp_path: Path) -> None:
    first = ask(make_gate(tmp_path), headers=PAGE)
    assert ask(make_gate(tmp_path), headers=first.cookies).json["person"] == first.json["person"]
    assert ask(make_gate(tmp_path / "other"), headers=first.cookies).json["person"] == "address:127.0.0.1"


def test_no_script_and_no_other_site_gets_the_cookie(tmp_path: Path) -> None:
    (cookie,) = ask(make_gate(tmp_path), headers=PAGE).all("set-cookie")
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    (framed,) = ask(make_gate(tmp_path, place=SPACE), headers=PAGE).all("set-cookie")
    assert "; HttpOnly; SameSite=None; Secure" in framed


def test_programs_are_their_address_and_get_no_cookie(tmp_path: Path) -> None:
    answer = ask(make_gate(tmp_path), "/gradio_api/info", client="192.168.1.7")
    assert answer.json["person"] == "address:192.168.1.7"
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("forge", [str.upper, lambda v: v[:-1], lambda v: v + "0", lambda v: "browser:x." + v[-32:],
                                   lambda v: v[-32:], lambda v: v[:0], lambda v: "." + v[:0], lambda v: "é" * len(v),
                                   lambda v: v * 1000])  # fmt: skip
def test_a_cookie_that_was_made_up_is_nobodys(forge: Callable[[str], str], tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    name, _, value = ask(gate, headers=PAGE).cookies["cookie"].partition("=")
    assert ask(gate, headers={"cookie": f"{name}={forge(value)}"}).json["person"] == "address:127.0.0.1"


def test_a_cookie_of_one_kind_is_none_of_another() -> None:
    signer = Signer(b"k" * 32)
    assert signer.read("person", signer.signed("person", "pupil")) == "pupil"
    assert signer.read("role", signer.signed("person", "pupil")) is None


def test_an_address_gets_so_many_persons_an_hour_then_it_is_one() -> None:
    now = [0.0]
    visitors = Visitors(Signer(b"k" * 32), 30, lambda: now[0])
    assert all(visitors.admit("1.2.3.4") for _ in range(30))
    assert visitors.admit("1.2.3.4") is None
    assert visitors.admit("5.6.7.8")
    now[0] = 3601.0
    assert visitors.admit("1.2.3.4")


def test_a_class_of_thirty_fits_one_address_and_a_flood_becomes_one_person(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=LAN, new_persons=30)
    persons = [ask(gate, headers=PAGE).json["person"] for _ in range(40)]
    assert len(set(persons[:30])) == 30
    assert set(persons[30:]) == {"address:127.0.0.1"}


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = kept_key(tmp_path / "cache")
    assert kept_key(tmp_path / "cache") == key
    assert stat.S_IMODE((tmp_path / "cache" / KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [KEY_FILE]
    (tmp_path / "cache" / KEY_FILE).write_bytes(b"short")
    assert len(kept_key(tmp_path / "cache")) == 32


def test_where_no_key_can_be_kept_there_is_one_for_this_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert len(kept_key(tmp_path / "cache")) == 32


def address(peer: str, forwarded: tuple[str, ...], place: Place) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return address_of({"type": "http", "client": (peer, 1), "headers": headers}, place)


@pytest.mark.parametrize("place", [LOCAL, LAN, Place(local=False, forwarded=True)])
def test_nobody_says_of_themselves_where_they_are(place: Place) -> None:
    assert address("192.168.1.7", ("8.8.8.8",), place) == "192.168.1.7"


def test_on_a_space_its_proxy_says_it_and_not_the_visitor() -> None:
    assert address("10.0.0.1", ("1.1.1.1, 8.8.8.8, 10.0.0.9",), SPACE) == "8.8.8.8"
    assert address("10.0.0.1", ("1.1.1.1", "8.8.8.8"), SPACE) == "8.8.8.8"
    assert address("10.0.0.1", ("nonsense, 127.0.0.1",), SPACE) == "10.0.0.1"
    assert address("10.0.0.1", (), SPACE) == "10.0.0.1"


def test_of_an_ipv6_address_counts_what_its_owner_cannot_change() -> None:
    assert address("2001:db8:1:2::5", (), LAN) == address("2001:db8:1:2:ffff::6", (), LAN)
    assert address("2001:db8:1:2::5", (), LAN) != address("2001:db8:1:3::5", (), LAN)
    assert address("::ffff:192.168.1.7", (), LAN) == "192.168.1.7"
