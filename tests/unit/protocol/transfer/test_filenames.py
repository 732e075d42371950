"""Names of files from a peer: safe, bounded, never two the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import WireError
from localpair.limits import (
    FOLDERS_KEPT,
    NAME_BYTES,
    NAMES_KEPT,
    PATH_DEPTH,
)
from localpair.protocol.transfer.filenames import (
    PART_PREFIX,
    NameTree,
    harmless_name,
    name_key,
    numbered,
    safe_name,
)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a/"])
def test_what_no_honest_sender_says_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        safe_name(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("readme.txt", "readme.txt"),
        (".gitignore", ".gitignore"),
        ("Größe 1.jpg", "Größe 1.jpg"),
        ("Gro\u0308ße", "Größe"),
        ("C:\\Windows\\x", "C__Windows_x"),
        ("C:", "C_"),
        ("\\\\server\\share", "__server_share"),
        ("file.txt:stream", "file.txt_stream"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("aux.tar.gz", "_aux.tar.gz"),
        ("com1", "_com1"),
        ("COM¹.log", "_COM¹.log"),
        ("nul .txt", "_nul .txt"),
        ("conference", "conference"),
        ("name.", "name_"),
        ("name. .", "name___"),
        ("...", "___"),
        (" ", "_"),
        ("a\nb\x1b[31m", "a_b_[31m"),
        ("invoice\u202egpj.exe", "invoice_gpj.exe"),
        ("zero\u200bwidth", "zero_width"),
        ("\u200c.git", "_.git"),  # HFS+ passes over the joiner
        ("authorized\u200d_keys", "authorized__keys"),
        ("a\u3164b\u2800c\uffa0d\u115fe\u1160f\u034fg", "a_b_c_d_e_f_g"),
        ("a\ufe0f.txt\U000e0100\U000e0061\u2065\ufff8\U000e0fff", "a_.txt_____"),
        ("👨\u200d👩\u200d👧.png", "👨\u200d👩\u200d👧.png"),
        ("❤\ufe0f\u200d🔥 1\ufe0f\u20e3.png", "❤\ufe0f\u200d🔥 1\ufe0f\u20e3.png"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",
        ),
        ("ශ්\u200dරී.txt", "ශ්\u200dරී.txt"),
        ("র\u200d্যাব.txt", "র\u200d্যাব.txt"),
        ("辻\U000e0100.txt", "辻\U000e0100.txt"),
        ("ᠠ\u180b.txt", "ᠠ\u180b.txt"),
        ("\uf8ff\U000e0100", "\uf8ff_"),
        (".localpair-0123.part", "_.localpair-0123.part"),
        (".LocalPair-0123.part", "_.LocalPair-0123.part"),
        ("a*b?c", "a_b_c"),
    ],
)
def test_what_is_harmful_elsewhere_is_escaped(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(min_size=1, max_size=300))
def test_safe_names_are_safe_and_stay_as_they_are(name: str) -> None:
    try:
        safe = safe_name(name)
    except WireError:
        return
    assert safe_name(safe) == safe
    assert 0 < len(safe.encode()) <= NAME_BYTES
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert not safe.endswith((".", " "))
    assert not name_key(safe).startswith(PART_PREFIX)


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("readme.txt", "readme.txt"),
        (".bashrc", "_.bashrc"),
        (".ssh", "_.ssh"),
        (".git", "_.git"),
        (".GIT", "_.GIT"),
        ("._resource", "_._resource"),
        (".DS_Store", "_.DS_Store"),
        ("authorized_keys", "_authorized_keys"),
        ("Desktop.INI", "_Desktop.INI"),
        ("AUTORUN.INF", "_AUTORUN.INF"),
        ("Thumbs.db", "_Thumbs.db"),
        ("report.pdf.lnk", "report.pdf.lnk_"),
        ("Shortcut.URL", "Shortcut.URL_"),
        ("evil.desktop", "evil.desktop_"),
        (".lnk", "_.lnk_"),
        (".hidden.lnk", "_.hidden.lnk_"),
        (".Evil.DESKTOP", "_.Evil.DESKTOP_"),
        ("-x.url", "_-x.url_"),
        ("." + "a" * 250 + ".lnk", "_." + "a" * 248 + ".lnk_"),
        ("-rf", "_-rf"),
        ("--checkpoint-action=exec=sh x", "_--checkpoint-action=exec=sh x"),
        ("not.desktop.txt", "not.desktop.txt"),
        ("my desktop.ini.bak", "my desktop.ini.bak"),
        ("a-b", "a-b"),
    ],
)
def test_what_programs_act_on_unasked_gets_an_underscore(name: str, harmless: str) -> None:
    assert safe_name(name) == name
    assert harmless_name(name) == harmless
    assert NameTree(allow_hidden=False).file((name, name)) == (harmless, harmless)
    assert NameTree(allow_hidden=True).file((name, name)) == (name, name)


@given(
    st.text(min_size=1, max_size=300) | st.sampled_from([".x", "a.lnk", ".a.lnk", "Desktop.ini", "-"]),
    st.integers(0, 99),
)
def test_harmless_names_stay_as_they_are_and_show_themselves(name: str, number: int) -> None:
    try:
        harmless = harmless_name(safe_name(name))
    except WireError:
        return
    assert harmless_name(harmless) == safe_name(harmless) == harmless
    assert 0 < len(harmless.encode()) <= NAME_BYTES
    again = numbered(harmless, number)
    assert harmless_name(again) == safe_name(again) == again
    assert again[0] not in ".-"


def test_a_name_tree_counts_the_names_it_changed_and_knows_the_first_by_heart() -> None:
    tree = NameTree(allow_hidden=False)
    for number in range(100):
        tree.file((".git", f".{number}"))
    assert tree.hidden.count == 101
    assert tree.hidden.first == ["_.git", "_.0", "_.1", "_.2", "_.3"]


def test_long_names_keep_their_suffix() -> None:
    safe = safe_name("ж" * 300 + ".tar")
    assert len(safe.encode()) <= NAME_BYTES
    assert safe.endswith("ж.tar")


@given(st.text("ab.\u0436", min_size=1, max_size=300), st.integers(0, 10**6))
def test_numbered_names_stay_safe(name: str, number: int) -> None:
    try:
        safe = safe_name(name)
    except WireError:
        return
    assert safe_name(numbered(safe, number)) == numbered(safe, number)
    assert numbered(safe, 0) == safe


def test_names_that_some_file_system_takes_for_one_are_told_apart() -> None:
    tree = NameTree(allow_hidden=False)
    names = ["Readme", "README", "readme", "caf\u00e9", "cafe\u0301", "straße", "STRASSE", "a:b", "a?b"]
    given_names = [tree.file((name,))[0] for name in names]
    assert len({name_key(name) for name in given_names}) == len(names)
    assert given_names[:3] == ["Readme", "README (1)", "readme (2)"]


def test_a_folder_keeps_its_name_and_its_neighbours_get_others() -> None:
    tree = NameTree(allow_hidden=False)
    assert tree.folder(("Docs",)) == ("Docs",)
    assert tree.folder(("docs",)) == ("docs (1)",)
    assert tree.file(("docs", "a")) == ("docs (1)", "a")
    assert tree.file(("Docs", "a")) == ("Docs", "a")
    assert tree.file(("DOCS",)) == ("DOCS (2)",)
    assert tree.folder(("Docs",)) == ("Docs",)


def test_a_name_that_a_number_made_is_not_given_twice() -> None:
    tree = NameTree(allow_hidden=False)
    names = [tree.file((name,))[0] for name in ["a (1)", "a", "a", "A", "a (1)"]]
    assert len({name_key(name) for name in names}) == len(names)


def test_many_equal_names_cost_no_more_than_few() -> None:
    tree = NameTree(allow_hidden=False)
    names = {tree.file(("same.txt",)) for _ in range(20_000)}
    assert len(names) == 20_000


def test_a_name_tree_keeps_what_it_was_told_last_and_no_more() -> None:
    tree = NameTree(allow_hidden=False)
    assert tree.folder(("kept",)) == ("kept",)
    for number in range(3 * NAMES_KEPT):
        assert tree.file(("kept", "deep", str(number))) == ("kept", "deep", str(number))
        assert tree.folder((f"folder {number}",)) == (f"folder {number}",)
    assert tree.folder(("kept",)) == ("kept",)
    assert tree.file(("kept", "deep", f"{3 * NAMES_KEPT - 1}"))[-1] == f"{3 * NAMES_KEPT - 1} (1)"
    assert (len(tree._folders), len(tree._taken)) == (FOLDERS_KEPT, NAMES_KEPT)


def test_a_walk_never_comes_back_to_a_folder_that_was_forgotten() -> None:
    """As many folders as are kept, each as deep as may be, and files in every folder on the way back up."""
    tree = NameTree(allow_hidden=False)
    for number in range(2 * FOLDERS_KEPT // PATH_DEPTH):
        path = (f"top {number}", *(str(depth) for depth in range(PATH_DEPTH - 2)))
        for depth in range(1, len(path) + 1):
            assert tree.folder(path[:depth]) == path[:depth]
        for depth in range(len(path), 0, -1):
            assert tree.file((*path[:depth], "file")) == (*path[:depth], "file")
