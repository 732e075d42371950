"""Names of files as data: what a peer calls a file, turned into a name that is safe on every system.

What no honest sender says (``..``, a separator, NUL, nothing at all) is refused. What is legal where the sender
lives and harmful elsewhere (drive letters, streams, reserved names, hidden characters, trailing dots) is escaped with
an underscore, on every platform alike: folders travel on, to memory cards and network shares.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from typing import Final

from localpair.errors import WireError
from localpair.limits import FAILURES_NAMED, FOLDERS_KEPT, NAME_BYTES, NAMES_KEPT, SHOWN_PATH_BYTES
from localpair.names.visible import belongs, escaped, in_context, is_ignorable

PART_PREFIX: Final = ".localpair-"
"""Names of files under way begin so; no received name may."""

_ESCAPE: Final = "_"
_WINDOWS_FORBIDDEN: Final = frozenset('<>:"/\\|?*')
_RESERVED: Final = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [device + digit for device in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
# Programs read these unasked, from any folder or from one that holds settings: shells, desktops, SSH, Python.
_ACTED_ON: Final = frozenset(
    ["desktop.ini", "autorun.inf", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "folder.htt", "autoexec.bat",
     "authorized_keys", "authorized_keys2", "sitecustomize.py", "usercustomize.py"]
)  # fmt: skip
# A desktop starts or fetches what these name, some as soon as it shows them.
_ACTED_ON_SUFFIXES: Final = (
    ".lnk", ".url", ".scf", ".pif", ".library-ms", ".search-ms", ".searchconnector-ms", ".settingcontent-ms",
    ".appref-ms", ".website", ".desktop",
)  # fmt: skip
_SUFFIX_BYTES: Final = 32  # a longer "suffix" is part of the name


def safe_name(name: str) -> str:
    """``name`` in a form that stays in its folder everywhere and shows what it is; at most NAME_BYTES of UTF-8.

    Safe names come out unchanged, so cleaning twice changes nothing more. Raises WireError for a name that only
    an attack or a broken sender contains.
    """
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise WireError("a file name that is empty, a folder link or a path")
    text = "".join(_safe_character(*one) for one in in_context(unicodedata.normalize("NFC", name)))
    kept = text.rstrip(". ")
    text = kept + _ESCAPE * (len(text) - len(kept))
    if text.split(".")[0].rstrip().lower() in _RESERVED or name_key(text).startswith(PART_PREFIX):
        text = _ESCAPE + text
    return numbered(text, 0)


def harmless_name(name: str) -> str:
    """A safe name that nothing reads unasked and that hides from nobody: one that would gets an underscore.

    Hidden are names with a leading dot. A leading hyphen makes an option of a name, wherever a shell writes it out.
    Harmless names come out unchanged, so doing this twice changes nothing more.
    """
    key = name_key(name)
    if key.startswith((".", "-")) or key in _ACTED_ON:
        name = numbered(_ESCAPE + name, 0)
    if key.endswith(_ACTED_ON_SUFFIXES):  # a hidden one as well: it is not hidden any more
        name = numbered(name + _ESCAPE, 0)
    return name


def numbered(name: str, number: int) -> str:
    """``name (number).suffix``, shortened in its stem to NAME_BYTES; number 0 stands for ``name`` itself."""
    mark = f" ({number})" if number else ""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > _SUFFIX_BYTES:
        stem, dot, suffix = name, "", ""
    tail = mark + dot + suffix
    room = NAME_BYTES - len(tail.encode())
    cut = stem.encode()[:room].decode(errors="ignore")
    # A cut may bare a blank or a dot, which must not end a name, or part a selector from what it selects.
    return (cut if cut == stem else cut.rstrip(". \ufe0e\ufe0f")) + tail


def name_key(name: str) -> str:
    """Equal for names that a file system without case, or without Unicode forms, takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def shown_path(parts: tuple[str, ...]) -> str:
    """A path as a person may see it, whatever the peer wrote into it; cut to SHOWN_PATH_BYTES."""
    shown = escaped("/".join(parts)[:SHOWN_PATH_BYTES])
    return shown.encode()[:SHOWN_PATH_BYTES].decode(errors="ignore")


def stored_name(name: str, *, allow_hidden: bool) -> str:
    """What a peer's ``name`` would be called here, fit to be shown; one that would be refused is shown as it came."""
    try:
        safe = safe_name(name)
    except WireError:
        return shown_path((name,))
    return shown_path((safe if allow_hidden else harmless_name(safe),))


def stored(name: str, *, allow_hidden: bool) -> str:
    """What a peer's ``name`` would be called here; empty for one that would be refused."""
    try:
        safe = safe_name(name)
    except WireError:
        return ""
    return safe if allow_hidden else harmless_name(safe)


class ChangedNames:
    """Names that were stored as others: how many, and the first of those others, fit to be shown."""

    __slots__ = ("count", "first")

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, name: str) -> None:
        """One more, which is called ``name`` here."""
        self.count += 1
        if self.count <= FAILURES_NAMED:
            self.first.append(shown_path((name,)))


class NameTree:
    """Gives every entry of one batch a safe path of its own, also on a file system that takes "A" and "a" for one.

    Its memory has a bound: the names given last and the folders named last are known by heart. An older name may be
    given again, and then it is the disk that says so: nothing is replaced there. A folder that was left that long ago
    and is named again is another one, with a number. Entries in the order of a walk never come back to one.
    """

    def __init__(self, *, allow_hidden: bool) -> None:
        self.hidden = ChangedNames()  # those that came hidden, or that programs act on
        self.unsafe = ChangedNames()  # those that some system cannot store, or takes for something else
        self.decomposed = ChangedNames()  # those that look the same: Unicode has two forms of them
        self._allow_hidden = allow_hidden
        self._folders: OrderedDict[int, tuple[str, ...]] = OrderedDict()
        self._taken: OrderedDict[int, int] = (
            OrderedDict()
        )  # the number that the next one of a name begins with

    def file(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """A path of its own for the file that the peer calls ``parts``. Raises WireError like ``safe_name``."""
        parent = self.folder(parts[:-1])
        return (*parent, self._claim(parent, self._clean(parts[-1])))

    def probable(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The path that ``file`` would give if nothing else claimed it. Raises WireError like ``safe_name``."""
        name = safe_name(parts[-1])
        return (*self.folder(parts[:-1]), name if self._allow_hidden else harmless_name(name))

    def folder(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The path of a folder: the same each time it is named. Raises WireError like ``safe_name``."""
        if not parts:
            return ()
        # Hashes stand for names, which may be long. The interpreter draws their key anew for each process.
        key = hash(parts)
        known = self._folders.pop(key, None)
        if known is None:
            parent = self.folder(parts[:-1])
            known = (*parent, self._claim(parent, self._clean(parts[-1])))
        self._folders[key] = known
        if len(self._folders) > FOLDERS_KEPT:
            self._folders.popitem(last=False)
        return known

    def knows_folder(self, parts: tuple[str, ...]) -> bool:
        """Whether a folder was named before, and lately."""
        return not parts or hash(parts) in self._folders

    def _clean(self, name: str) -> str:
        safe = safe_name(name)
        harmless = safe if self._allow_hidden else harmless_name(safe)
        if harmless != safe:
            self.hidden.add(harmless)
        elif safe != name:
            is_same = safe == unicodedata.normalize("NFC", name)
            (self.decomposed if is_same else self.unsafe).add(safe)
        return harmless

    def _claim(self, parent: tuple[str, ...], name: str) -> str:
        plain = hash((parent, name_key(name)))
        number = self._taken.get(plain, -1) + 1
        while (key := hash((parent, name_key(numbered(name, number))))) in self._taken:
            number += 1
        self._take(key, 0)
        # The next one of this name starts counting here, so that many equal names cost no more than few.
        self._take(plain, number)
        return numbered(name, number)

    def _take(self, key: int, number: int) -> None:
        self._taken[key] = number
        self._taken.move_to_end(key)
        if len(self._taken) > NAMES_KEPT:
            self._taken.popitem(last=False)


def _safe_character(before: str, character: str, behind: str) -> str:
    if character in _WINDOWS_FORBIDDEN:
        return _ESCAPE
    if is_ignorable(character) and not belongs(before, character, behind):
        return _ESCAPE
    return character
