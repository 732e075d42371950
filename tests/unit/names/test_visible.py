"""What shows nothing is written out on every screen, and what people write in any script stays as it is."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.cli.terminal.text import printable
from localpair.diagnosis.text import harmless
from localpair.names.labels import clean_label
from localpair.names.visible import escaped, is_ignorable
from localpair.protocol.transfer.filenames import safe_name, shown_path

# DerivedCoreProperties.txt, Default_Ignorable_Code_Point, as Unicode 16 has it.
DEFAULT_IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
IGNORABLE = [chr(number) for first, last in DEFAULT_IGNORABLE for number in range(first, last + 1)]
OTHERS = [
    "\u2800",
    "\ufffc",
    "\U00016fe4",
    "\ue000",
    "\U0010fffd",
    "\u0378",
    "\ud800",
    "\u2028",
    "\x1b",
    "\x9b",
]
HIDDEN = st.sampled_from([*IGNORABLE, *OTHERS])
SEEN = st.sampled_from("aZ9 ._é会ß한\u0645\u06cc\u062e\u0631\u0d28\u0dc1\u0dca\u094d❤🖨\U0001f3fd")


@pytest.mark.parametrize("character", sorted({*IGNORABLE[::7], *IGNORABLE[:60], *OTHERS}), ids=ascii)
def test_what_shows_nothing_is_escaped_everywhere(character: str) -> None:
    name = f"Kit{character}chen"
    for show in (escaped, printable, harmless):
        assert character not in show(name)
        assert "\\" in show(name)
    assert character not in shown_path((name,))
    assert clean_label(name) == "Kit\ufffdchen"
    if character in IGNORABLE:
        assert is_ignorable(character)
        assert safe_name(name) == "Kit_chen"


def test_every_ignorable_character_is_known() -> None:
    assert [ascii(one) for one in IGNORABLE if not is_ignorable(one)] == []


@pytest.mark.parametrize(
    "text",
    [
        "Büro 3, 会議室",
        "\u5c71\u7530\u3000\u592a\u90ce",  # the wide blank of Japanese names
        "\ud55c\uae00 \u0e44\u0e17\u0e22 \u05e2\u05d1\u05e8\u05d9\u05ea \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, "I want": the non-joiner is seen
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0dbd\u0d82\u0d9a\u0dcf",  # Sri Lanka: the joiner is seen
        "\u0928\u094d\u200d \u0d28\u0d4d\u200d",  # half forms of Hindi and Malayalam
        "\u0b95\u0bcd \u1019\u103c\u1014\u103a \u1781\u17d2\u1798\u17c2\u179a \u0f56\u0f7c\u0f51",
        "🖨 🎉 👍🏽 🇩🇪 ❤ ☕ ©®™",
        "a\u0301\u0327 x² ½ № “quoted” €5",
    ],
)
def test_what_people_write_reads_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert safe_name(text) == unicodedata.normalize("NFC", text)
    assert clean_label(text) == unicodedata.normalize("NFC", text).replace("\u3000", " ")


def test_composed_emoji_read_as_their_parts() -> None:
    heart, family = "❤\ufe0f", "👨\u200d👩\u200d👧"
    assert printable(f"{heart} {family}") == "❤\\ufe0f 👨\\u200d👩\\u200d👧"
    assert clean_label(f"{heart} {family} 1\ufe0f\u20e3") == "❤ 👨👩👧 1\u20e3"
    assert clean_label("❤\ufe0f\u200d🔥") == "❤🔥"
    assert clean_label("葛\U000e0100城") == "葛城"


def test_blanks_that_look_like_the_usual_one_are_told_from_it() -> None:
    assert printable("at 1\u202fPM\u00a0x") == "at 1\\u202fPM\\u00a0x"


@given(st.text(SEEN, max_size=12), st.data())
def test_names_that_differ_in_what_shows_nothing_do_not_look_alike(name: str, data: st.DataObject) -> None:
    def other() -> str:
        between = data.draw(
            st.lists(st.text(HIDDEN, max_size=2), min_size=len(name) + 1, max_size=len(name) + 1)
        )
        return "".join(a + b for a, b in zip(between, (*name, ""), strict=True))

    one, two = other(), other()
    assert (escaped(one) == escaped(two)) == (one == two)
    assert (printable(one, 1000) == printable(two, 1000)) == (one == two)


@given(st.text(SEEN | HIDDEN | st.characters(), max_size=60))
def test_what_was_cleaned_once_is_clean(text: str) -> None:
    assert escaped(escaped(text)) == escaped(text)
    assert clean_label(clean_label(text)) == clean_label(text)
    assert shown_path((text,)).encode().decode() == shown_path((text,))
    name = safe_name("x" + text.replace("/", "").replace("\0", ""))
    assert safe_name(name) == name
    assert not {ord(one) for one in name} & {0x3164, 0x2800, 0x202E, 0x200B}


def test_nothing_hidden_is_left_of_any_character() -> None:
    shown = "".join(escaped("a" + chr(number))[1:] for number in range(sys.maxunicode + 1))
    kinds = {unicodedata.category(character) for character in shown}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert {one for one in shown if unicodedata.category(one) == "Zs"} == {" ", "\u3000"}
