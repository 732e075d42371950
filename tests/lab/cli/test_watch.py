"""The live page: made anew where something came, for browsers of this machine only, and read by a real one."""

from __future__ import annotations

import contextlib
import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
from localpair_lab import timeline
from localpair_lab.cli.watch import LivePage, served
from localpair_lab.errors import LabError
from localpair_lab.fabric.traffic.pcapng import OUTBOUND, CaptureWriter

import browser
import lab_pages as pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM: Final = browser.program()
BEGAN_NS: Final = 10**18
PATIENCE_S: Final = 60.0


@dataclass
class Watched:
    """A network's folder that is served, and the capture of alice's port there."""

    folder: Path
    address: str
    capture: CaptureWriter

    def sends(self, words: bytes) -> None:
        """Alice sends one more datagram; it stands in the capture when this returns."""
        cell = pages.flat()
        mine, other = pages.mac(cell, "alice/eth0"), pages.mac(cell, "bob/eth0")
        frame = pages.datagram(mine, other, "192.168.1.10", "192.168.1.20", words)
        self.capture.packet(BEGAN_NS + 10**9, frame, len(frame), OUTBOUND)

    def asks(self, **headers: str) -> tuple[int, str, str]:
        """Status, version and content."""
        return self.asks_for("/", **headers)

    def asks_for(self, path: str, **headers: str) -> tuple[int, str, str]:
        parts = urlsplit(self.address)
        with contextlib.closing(http.client.HTTPConnection(str(parts.hostname), parts.port)) as connection:
            connection.request("GET", path, headers={key.replace("_", "-"): v for key, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("ETag", ""), answer.read().decode()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "captures").mkdir()
    timeline.write_clock(tmp_path, BEGAN_NS)
    path = tmp_path / "captures" / "alice.eth0.pcapng"
    with path.open("wb", buffering=0) as file:
        page = LivePage(
            pages.flat(), "namespace", tmp_path, lambda: sorted((tmp_path / "captures").glob("*"))
        )
        with served(page, 0) as address:
            yield Watched(tmp_path, address, CaptureWriter(file, "alice/eth0"))


def test_the_page_is_made_anew_where_packets_came(watched: Watched) -> None:
    code, version, html = watched.asks()
    assert (code, "0 at all ports" in html) == (200, True)
    assert watched.asks(If_None_Match=version)[::2] == (304, "")
    watched.sends(b"a word of hers")
    code, later, html = watched.asks(If_None_Match=version)
    assert (code, "1 at all ports" in html) == (200, True)
    assert later != version


def test_of_many_packets_the_last_are_shown(watched: Watched) -> None:
    for number in range(1200):
        watched.sends(f"word {number} of hers".encode())
    _, _, html = watched.asks()
    assert "1200 at all ports" in html
    assert "Not shown: 500 earlier packets<" in html


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1", "127.0.0.1:1"])
def test_pages_from_elsewhere_read_nothing(watched: Watched, host: str) -> None:
    assert watched.asks(Host=host) == (403, "", "")


def test_there_is_one_page_and_no_file(watched: Watched) -> None:
    assert watched.asks_for("/captures/alice.eth0.pcapng")[0] == 404


def test_a_port_that_is_taken_is_told(watched: Watched) -> None:
    taken = urlsplit(watched.address).port
    page = LivePage(pages.flat(), "namespace", watched.folder, list)
    with pytest.raises(LabError, match=f"port {taken}"), served(page, taken or 0):
        pass


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=browser.MISSING)
def test_a_browser_shows_packets_as_they_come(watched: Watched, tmp_path: Path) -> None:
    with browser.tab(str(CHROMIUM), tmp_path / "profile") as tab:
        tab.open_address(watched.address)
        until(tab, "document.getElementById('live').textContent.startsWith('Live')")
        watched.sends(b"the first word")
        until(tab, "document.querySelectorAll('.row.packet').length === 1")
        tab.value("document.querySelector('.row details').open = true")
        watched.sends(b"the second word")
        until(tab, "document.querySelectorAll('.row.packet').length === 2")
        assert tab.value("document.querySelector('.row details').open"), "what was opened stays so"
        assert tab.value("document.getElementById('moment').value") == "2", (
            "at the end, the slider stays there"
        )
        tab.value("document.querySelector('.row').click()")
        watched.sends(b"the third word")
        until(tab, "document.querySelectorAll('.row.packet').length === 3")
        assert tab.value("document.getElementById('moment').value") == "1", "a moment that was chosen stays"
        assert tab.complaints == []


def until(tab: browser.Tab, condition: str) -> None:
    """Wait for what the page comes to by itself."""
    end = time.monotonic() + PATIENCE_S
    while not tab.value(condition):
        assert time.monotonic() < end, condition
