"""QR codes: what is drawn is decoded again, from pictures and from the terminal's half blocks."""

from __future__ import annotations

import contextlib
import json
import re
import stat
import struct
import sys
import tracemalloc
import zlib
from io import StringIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw

import places
from localpair import qr
from localpair.errors import LocalError, OfferError, UsageError

_VECTORS = json.loads((places.VECTORS / "offers.json").read_text("utf-8"))
TYPICAL, LARGEST = (
    next(vector["text"] for vector in _VECTORS["offers"] if vector["name"] == name)
    for name in ("typical", "largest")
)
_CELLS = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
_PAINT = re.compile(r"\x1b\[38;5;(\d+);48;5;(\d+)m|\x1b\[0m|(▀)")


def _rasterise_plain(drawn: str) -> list[list[int]]:
    rows: list[list[int]] = []
    for line in drawn.splitlines():
        cells = [_CELLS[character] for character in line]
        rows += [[upper for upper, _ in cells], [lower for _, lower in cells]]
    return rows


def _rasterise_painted(drawn: str) -> list[list[int]]:
    rows: list[list[int]] = []
    for line in drawn.splitlines():
        upper: list[int] = []
        lower: list[int] = []
        colours = (0, 0)
        for match in _PAINT.finditer(line):
            if match[1]:
                colours = (int(match[1] == "231"), int(match[2] == "231"))
            elif match[3]:
                upper.append(colours[0])
                lower.append(colours[1])
        rows += [upper, lower]
    return rows


def _decode(rows: list[list[int]], *, negative: bool = False, margin: int = 0) -> list[str]:
    scale = 6
    picture = Image.new("L", ((len(rows[0]) + 2 * margin) * scale, (len(rows) + 2 * margin) * scale), 0)
    draw = ImageDraw.Draw(picture)
    for y, row in enumerate(rows):
        for x, light in enumerate(row):
            corner = ((x + margin) * scale, (y + margin) * scale)
            shade = 255 if bool(light) != negative else 0
            draw.rectangle((*corner, corner[0] + scale - 1, corner[1] + scale - 1), fill=shade)
    return [code.text for code in zxingcpp.read_barcodes(picture)]


@pytest.mark.parametrize("text", [TYPICAL, LARGEST], ids=["typical", "largest"])
def test_the_terminal_form_is_a_code(text: str) -> None:
    plain, painted = qr.render_terminal(text, colour=False), qr.render_terminal(text, colour=True)
    assert set(plain) <= {*_CELLS, "\n"}
    assert _decode(_rasterise_plain(plain), margin=3) == [text]
    assert _decode(_rasterise_painted(painted), margin=3) == [text]
    assert _rasterise_plain(plain) == _rasterise_painted(painted)


def test_the_plain_form_is_read_on_a_light_terminal_too() -> None:
    rows = _rasterise_plain(qr.render_terminal(TYPICAL, colour=False))
    assert _decode(rows, negative=True) == [TYPICAL]


def test_every_cell_of_the_painted_form_sets_both_colours() -> None:
    for line in qr.render_terminal(TYPICAL, colour=True).splitlines():
        assert line.startswith("\x1b[38;5;231;48;5;231m▀")
        assert line.endswith("▀\x1b[0m")


def test_a_typical_offer_fits_a_terminal_of_80_by_24() -> None:
    lines = qr.render_terminal(TYPICAL, colour=False).splitlines()
    assert len(lines) <= 23
    assert {len(line) for line in lines} <= set(range(81))


@pytest.mark.parametrize(
    ("terminal", "environment", "painted"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colour_follows_the_terminal_and_no_color(
    terminal: bool, environment: dict[str, str], painted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Output(StringIO):
        def isatty(self) -> bool:
            return terminal

    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Output())
    assert ("\x1b" in qr.render_terminal(TYPICAL, colour=None)) is painted


@pytest.mark.parametrize("text", [TYPICAL, LARGEST], ids=["typical", "largest"])
def test_a_picture_that_was_written_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "offer.png"
    qr.write_image(text, path)
    assert qr.read_image(path) == text


@pytest.mark.parametrize("name", ["offer.svg", "offer.png", "OFFER.PNG"])
def test_a_picture_is_private_and_replaced_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("old")
    path.chmod(0o644)
    qr.write_image(TYPICAL, path)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_svg_and_png_hold_no_text_beside_the_code(tmp_path: Path) -> None:
    for name in ("offer.svg", "offer.png"):
        qr.write_image(TYPICAL, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert TYPICAL[3:20].encode() not in content
        assert b"<title" not in content
        assert b"<desc" not in content


@pytest.mark.parametrize("name", ["offer", "offer.pdf", "offer.png.txt"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written as") as caught:
        qr.write_image(TYPICAL, tmp_path / name)
    assert ".svg" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_our_own_fault(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="No such file"):
        qr.write_image(TYPICAL, tmp_path / "missing" / "offer.png")


def test_a_failed_write_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "offer.png"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LocalError, match="No space left"):
        qr.write_image(TYPICAL, path)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def _picture(tmp_path: Path, *texts: str) -> Path:
    sheet = Image.new("L", (max(1, len(texts)) * 600, 600), 255)
    for number, text in enumerate(texts):
        qr.write_image(text, tmp_path / "one.png")
        with Image.open(tmp_path / "one.png") as one:
            sheet.paste(one.convert("L"), (number * 600 + 50, 50))
    path = tmp_path / "sheet.png"
    sheet.save(path)
    return path


def test_other_codes_in_the_picture_are_passed_over(tmp_path: Path) -> None:
    assert qr.read_image(_picture(tmp_path, "https://example.org", TYPICAL)) == TYPICAL
    assert qr.read_image(_picture(tmp_path, TYPICAL, TYPICAL)) == TYPICAL


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ((), "holds no QR code"),
        (("https://example.org",), "is no offer"),
        ((TYPICAL, LARGEST), "more than one offer"),
    ],
)
def test_a_picture_without_exactly_one_offer_says_so(
    texts: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(OfferError, match=says) as caught:
        qr.read_image(_picture(tmp_path, *texts))
    assert caught.value.hint


def test_transparency_counts_as_white(tmp_path: Path) -> None:
    qr.write_image(TYPICAL, tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as one:
        grey = one.convert("L")
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=grey.point(lambda value: 255 - value))
    clear.save(tmp_path / "clear.png")
    assert qr.read_image(tmp_path / "clear.png") == TYPICAL


def test_files_that_are_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="No such file"):
        qr.read_image(tmp_path / "missing.png")
    with pytest.raises(UsageError, match="cannot be opened"):
        qr.read_image(tmp_path)
    (tmp_path / "text.png").write_text(TYPICAL)
    with pytest.raises(OfferError, match="no picture that can be read"):
        qr.read_image(tmp_path / "text.png")
    qr.write_image(TYPICAL, tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with pytest.raises(OfferError, match="damaged"):
        qr.read_image(tmp_path / "cut.png")
    monkeypatch.setattr(qr, "QR_IMAGE_PIXELS", 100)
    with pytest.raises(OfferError, match="too large"):
        qr.read_image(tmp_path / "whole.png")


def test_a_length_that_a_picture_claims_gets_no_memory(tmp_path: Path) -> None:
    """One bit of a valid picture turned the length of its data into 2 GiB, and Pillow asked for as much."""
    qr.write_image(TYPICAL, tmp_path / "whole.png")
    data = bytearray((tmp_path / "whole.png").read_bytes())
    (tmp_path / "cut.png").write_bytes(data[:200])
    with contextlib.suppress(OfferError):
        qr.read_image(tmp_path / "cut.png")  # what is imported for it needs memory, too
    data[data.index(b"IDAT") - 4] |= 0x80
    (tmp_path / "bomb.png").write_bytes(data)
    tracemalloc.start()
    try:
        with contextlib.suppress(OfferError):
            qr.read_image(tmp_path / "bomb.png")
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_picture_of_too_many_pixels_is_refused_without_a_word_of_a_library(tmp_path: Path) -> None:
    qr.write_image(TYPICAL, tmp_path / "whole.png")
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[16:24] = struct.pack("!II", 12_000, 9_000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "large.png").write_bytes(data)
    with pytest.raises(OfferError, match="too large: 12000x9000"):
        qr.read_image(tmp_path / "large.png")


def test_a_file_that_is_no_photo_by_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qr.write_image(TYPICAL, tmp_path / "whole.png")
    monkeypatch.setattr(qr, "QR_IMAGE_BYTES", 100)
    with pytest.raises(OfferError, match="too large a file"):
        qr.read_image(tmp_path / "whole.png")


@pytest.mark.parametrize("library", ["zxingcpp", "PIL"])
def test_missing_libraries_are_named_by_their_extra(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError) as caught:
        qr.read_image(tmp_path / "any.png")
    assert "pip install 'localpair[image]'" in str(caught.value.hint)
