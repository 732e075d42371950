"""An offer as a QR code: drawn in the terminal, written to a picture, read from a picture."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.errors import LocalError, OfferError, UsageError
from localpair.limits import QR_IMAGE_BYTES, QR_IMAGE_PIXELS

if TYPE_CHECKING:
    import segno
    from PIL.Image import Image

TERMINAL_BORDER: Final = (
    2  # modules; the standard asks for 4, readers do with 2, and 80x24 has no room for more
)
IMAGE_BORDER: Final = 4  # modules, ISO/IEC 18004
IMAGE_SCALE: Final = 8  # pixels a module
_PART_BYTES: Final = 64 * 1024
SUFFIXES: Final = (".svg", ".png")
_PLAIN: Final = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
# Fixed entries of the 256-colour table: themes repaint the first 16, and a dark red code is not read.
_BLACK, _WHITE, _RESET = "16", "231", "\x1b[0m"


def render_terminal(text: str, *, colour: bool | None) -> str:
    """``text`` as lines of half blocks, two modules to a character cell, without a final newline.

    With ``colour`` every module is painted, so that the terminal's own colours play no part. Without it light
    modules are drawn and dark ones left out, which is right on dark terminals; readers also take the negative
    that a light terminal shows. None decides by standard output, ``NO_COLOR`` and ``TERM``.
    """
    rows = _modules(text, TERMINAL_BORDER)
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    paint = _painted if (colour_wanted() if colour is None else colour) else _plain
    return "\n".join(paint(upper, lower) for upper, lower in zip(rows[::2], rows[1::2], strict=True))


def colour_wanted() -> bool:
    """Whether standard output is a terminal that takes colours and nobody asked for none (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return False
    # The old Windows console prints the codes themselves; the new one sets this.
    return sys.platform != "win32" or "WT_SESSION" in os.environ or "TERM" in os.environ


def write_image(text: str, path: Path) -> None:
    """Write ``text`` as a picture to ``path``, SVG or PNG by its suffix, readable by its owner only.

    Raises `UsageError` for another suffix and `LocalError` where the file cannot be written. A file of that
    name is replaced whole or left as it was.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise UsageError(
            f"a QR code cannot be written as {path.name!r}", hint="Choose a name that ends in .svg or .png"
        )
    code = _code(text)
    try:
        _replace(code, path, kind[1:])
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LocalError(
            f"the QR code cannot be written to {path}: {reason}",
            hint="Choose a folder that you may write to.",
        ) from error


def read_image(path: Path) -> str:
    """The text of the one offer in the picture at ``path``; other QR codes in it are passed over.

    Raises `UsageError` where the file or the optional libraries are missing and `OfferError` where the
    picture cannot be read or holds no offer, or several.
    """
    texts = _decoded(path)
    offers = sorted({text.strip() for text in texts if text.strip()[:3].upper() == "LP:"})
    if not texts:
        raise OfferError(
            f"{path} holds no QR code that can be read",
            hint="Take the picture closer, straight and in focus, with the white border in it.",
        )
    if not offers:
        raise OfferError(f"the QR code in {path} is no offer of localpair", hint="Show the right QR code.")
    if len(offers) > 1:
        raise OfferError(
            f"{path} holds more than one offer", hint="Cut the picture to the one that is meant."
        )
    return offers[0]


def _code(text: str) -> segno.QRCode:
    import segno

    return segno.make_qr(text, error="l")  # an offer lives on a screen for two minutes: small beats robust


def _modules(text: str, border: int) -> list[list[bool]]:
    """The code as rows, True for dark, with its light border."""
    return [[bool(module) for module in row] for row in _code(text).matrix_iter(border=border)]


def _plain(upper: list[bool], lower: list[bool]) -> str:
    return "".join(_PLAIN[pair] for pair in zip(upper, lower, strict=True))


def _painted(upper: list[bool], lower: list[bool]) -> str:
    cells: list[str] = []
    last: tuple[bool, bool] | None = None
    for pair in zip(upper, lower, strict=True):
        if pair != last:
            top, bottom = (_BLACK if dark else _WHITE for dark in pair)
            cells.append(f"\x1b[38;5;{top};48;5;{bottom}m")
            last = pair
        cells.append("▀")
    return "".join(cells) + _RESET


def _replace(code: segno.QRCode, path: Path, kind: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".localpair-", suffix=".tmp")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            code.save(file, kind=kind, scale=IMAGE_SCALE, border=IMAGE_BORDER, dark="#000", light="#fff")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _decoded(path: Path) -> list[str]:
    try:
        import zxingcpp
    except ImportError as error:
        raise _extra_missing() from error
    picture = _opened(path)
    return [str(code.text) for code in zxingcpp.read_barcodes(picture)]


def _opened(path: Path) -> Image:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise _extra_missing() from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound is lower
            picture = Image.open(BytesIO(_contents(path)))
        with picture:
            return _on_white(picture, path)
    except UnidentifiedImageError as error:
        raise OfferError(f"{path} is no picture that can be read", hint="Use PNG, JPEG or WebP.") from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"the picture {path} cannot be opened: {error.strerror}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OfferError(f"the picture {path} is damaged", hint="Take or copy it again.") from error


def _contents(path: Path) -> bytes:
    """The whole file. Of a file Pillow asks for as much at once as a picture claims to have, up to 2 GiB."""
    data = bytearray()
    with path.open("rb") as file:
        while len(data) <= QR_IMAGE_BYTES and (part := file.read(_PART_BYTES)):
            data += part
    if len(data) > QR_IMAGE_BYTES:
        raise OfferError(f"the picture {path} is too large a file", hint="Cut it to the QR code.")
    return bytes(data)


def _on_white(picture: Image, path: Path) -> Image:
    """``picture`` in shades of grey, what is transparent in it white."""
    from PIL import Image

    if picture.width * picture.height > QR_IMAGE_PIXELS:
        raise OfferError(
            f"the picture {path} is too large: {picture.width}x{picture.height}",
            hint="Cut it to the QR code.",
        )
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("L")
    return picture.convert("L")


def _extra_missing() -> UsageError:
    return UsageError(
        "reading an offer from a picture needs two more libraries",
        hint="pip install 'localpair[image]', or paste the text of the offer instead.",
    )
