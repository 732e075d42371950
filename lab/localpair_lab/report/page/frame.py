"""The frame of every page: style and script inside, and a policy that forbids all else, the network first of all."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from string import Template

from localpair_lab.report.page.markup import Markup, text

_FILES = "files"


def framed(
    title: str,
    body: Markup,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    extra: str = "",
    asks: bool = False,
) -> str:
    """A whole page of these files of ``files/``; ``extra`` is more style. ``asks``: it may ask where it came from."""
    css = "\n".join([*map(_file, ("common.css", *styles)), extra])
    program = "\n".join(map(_file, scripts))
    policy = "; ".join([
        "default-src 'none'",
        "img-src data:",
        f"style-src '{_hash(css)}'",
        f"script-src '{_hash(program)}'",
        *(["connect-src 'self'"] if asks else []),
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip
    return Template(_file("page.html")).substitute(
        title=text(title), policy=policy, style=css, body=body, script=program
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(_FILES, name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def laning(most: int) -> str:
    """Style for lanes by number: a page that allows no style of single elements needs a class for each place."""
    places = [f".l{number} {{ --l: {number}; }}" for number in range(most)]
    widths = [f".w{number} {{ --w: {number}; }}" for number in range(1, most)]
    counts = [f".lanes-{number} {{ --lanes: {number}; }}" for number in range(most + 1)]
    return "\n".join([*places, *widths, *counts, ""])
