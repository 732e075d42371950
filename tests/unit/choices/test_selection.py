"""Patterns of names that stay here, and which paths they fit."""

from __future__ import annotations

import unicodedata

import pytest

from localpair.choices.selection import EVERYTHING, Selection
from localpair.errors import UsageError


def fits(pattern: str, path: str) -> bool:
    """Whether a pattern leaves out ``path``; one that ends in a slash is a folder."""
    parts = tuple(path.removesuffix("/").split("/"))
    return Selection((pattern,)).excludes(parts, is_folder=path.endswith("/"))


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.tmp", ["a.tmp", "d/e/a.tmp", ".tmp", "d.tmp/"], ["a.tmp.gz", "tmp", "a.TMP", "a.tmp/b"]),
        ("cache/", ["cache/", "d/cache/"], ["cache", "cache2/", "xcache/"]),
        ("photos/raw", ["photos/raw", "d/photos/raw/"], ["raw", "photos/raw/x", "myphotos/raw"]),
        ("/photos/raw", ["photos/raw"], ["d/photos/raw"]),
        ("/photos", ["photos/"], ["d/photos/"]),
        ("d/*", ["d/a", "c/d/a"], ["d", "d/a/b"]),
        ("docs/**/draft*", ["docs/draft1", "docs/a/b/draft"], ["docs/a/final", "draft"]),
        ("/d/**", ["d/a", "d/a/b"], ["d", "e/d/a"]),
        ("?", ["a", "d/a"], ["ab", ""]),
        ("[!a]?[0-9]", ["bx1", "d/__9"], ["ax1", "bxx", "/x1"]),
        ("[]]", ["]"], ["["]),
        ("[", ["["], ["]"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("a+(b).c", ["a+(b).c"], ["aab.c", "a+(b)xc"]),
        ("a\nb*", ["a\nbc"], ["a b"]),
    ],
)
def test_what_a_pattern_fits(pattern: str, fitting: list[str], others: list[str]) -> None:
    assert [path for path in fitting if not fits(pattern, path)] == []
    assert [path for path in others if fits(pattern, path)] == []


def test_one_of_several_is_enough_and_none_leaves_out_nothing() -> None:
    several = Selection(("*.a", "*.b"))
    assert [several.excludes((f"x.{end}",), is_folder=False) for end in "abc"] == [True, True, False]
    assert not EVERYTHING.excludes(("x",), is_folder=False)


def test_both_unicode_forms_of_a_name_fit_both_of_a_pattern() -> None:
    forms = [unicodedata.normalize(form, "Größe*") for form in ("NFC", "NFD")]
    assert all(fits(pattern, name.replace("*", ".txt")) for pattern in forms for name in forms)


@pytest.mark.parametrize("pattern", ["", "/", "//", "[z-a]"])
def test_what_is_no_pattern_is_a_mistake(pattern: str) -> None:
    with pytest.raises(UsageError):
        Selection((pattern,))
