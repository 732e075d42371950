"""What is wrong with a text that is no YAML, where its author looks for it: at the bracket that was never closed, at
the text that needs quotes, and not at the line after it, where the parser noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml  # type: ignore[import-untyped, unused-ignore]

from localpair_lab.loading.problems import Mark, Problem

_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML takes for the end of a line
_OPEN_KEY: Final = re.compile(r"\s*(?:- +)*[^\s:#]+:\s+(?=\S)")
_TIGHT_KEY: Final = re.compile(r"\s*(?:- +)*([a-z_]+):(?=[^\s:/])")
_CLOSERS: Final = {"{": "}", "[": "]"}
_LONGEST: Final = 40  # characters of a text that is shown with its quotes

Told: TypeAlias = tuple[Mark, str]
"""Where it is said, and what."""


def syntax_problem(path: Path, text: str, error: yaml.YAMLError) -> Problem:
    """The one problem of a text that ``error`` says is no YAML."""
    mark, message = _told(_BREAK.split(text), error)
    return Problem(path, mark.line, mark.column, "", message)


@dataclass(frozen=True, slots=True)
class _Fault:
    """PyYAML's error: what it was at, since where, and what it met, at which place."""

    lines: list[str]
    doing: str
    what: str
    began: Mark
    at: Mark

    @property
    def line(self) -> str:
        """The line where the parser stopped."""
        return self.lines[self.at.line - 1] if self.at.line <= len(self.lines) else ""

    @property
    def bracket(self) -> str:
        """The bracket that is open."""
        return self.lines[self.began.line - 1][self.began.column - 1]

    @property
    def met(self) -> str:
        """The thing that stands where another is expected, as PyYAML calls it."""
        return self.what.rpartition(" '")[2].rstrip("'")


def _told(lines: list[str], error: yaml.YAMLError) -> Told:
    if isinstance(error, yaml.reader.ReaderError):
        return _foreign_character(lines, error)
    at = getattr(error, "problem_mark", None)
    what = str(getattr(error, "problem", None) or error)
    if at is None:
        return Mark(1, 1), f"this is no YAML: {what}"
    began = getattr(error, "context_mark", None) or at
    doing = str(getattr(error, "context", None) or "")
    fault = _Fault(lines, doing, what, _mark(began), _mark(at))
    for pattern, tell in _KINDS:
        if re.search(pattern, f"{doing}: {what}"):
            return tell(fault)
    since = f", {doing} from line {fault.began.line}" if doing and fault.began != fault.at else ""
    return fault.at, f"this is no YAML: {what}{since}"


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _foreign_character(lines: list[str], error: Any) -> Told:
    before = "\n".join(lines)[: error.position]
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return mark, f"YAML has no such character: U+{error.character:04X}"


# --- Brackets ---


def _in_brackets(fault: _Fault) -> Told:
    """A bracket that is never closed, closed by another one, or whose entries are not apart."""
    closer, place = _CLOSERS.get(fault.bracket, ""), f"line {fault.at.line}, column {fault.at.column}"
    is_below = fault.at.line > fault.began.line and _indent(fault.line) <= _indent(
        fault.lines[fault.began.line - 1]
    )
    if fault.met == ":" and not is_below:
        return _unquoted(fault)
    if fault.met in _CLOSERS.values():
        return (
            fault.began,
            f"this {fault.bracket!r} is not closed by {closer!r} before the {fault.met!r} in {place}",
        )
    if is_below:
        return (
            fault.began,
            f"this {fault.bracket!r} is never closed; {closer!r} is missing before line {fault.at.line}",
        )
    opened = f"the {fault.bracket!r} that line {fault.began.line} opens in column {fault.began.column}"
    return fault.at, f"',' or {closer!r} is missing before this, in {opened}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _not_opened(fault: _Fault) -> Told:
    if fault.met == ",":
        return (
            fault.at,
            "this ',' follows a value that has ended; a list of values stands in brackets: [a, b]",
        )
    return fault.at, f"nothing opened what this {fault.met!r} closes"


def _no_value(fault: _Fault) -> Told:
    return fault.at, f"there is no value before this {fault.met!r}; write one or remove what is left of it"


# --- Texts ---


def _unquoted(fault: _Fault) -> Told:
    """``:`` within a text that has no quotes; in brackets also at its end."""
    before = fault.line[: fault.at.column - 1]
    begin = max(before.rfind(sign) for sign in "{[,") + 1
    begin = max(begin, before.rfind(": ") + 2 if ": " in before[begin:] else begin)
    begin += _indent(before[begin:])
    word = re.split(r"[\]},]", fault.line[begin:], maxsplit=1)[0].rstrip()
    return Mark(fault.at.line, begin + 1), f"a text that holds ':' needs quotes here: {_quoted(word)}"


def _second_colon(fault: _Fault) -> Told:
    """A ``:`` where a value has begun: within a text, after a key without a space, or in a line that is indented."""
    if (tight := _TIGHT_KEY.match(fault.line)) is not None:
        return Mark(fault.at.line, tight.end() + 1), f"a space is missing after '{tight[1]}:'"
    begun = _OPEN_KEY.match(fault.line)
    if begun is not None and begun.end() < fault.at.column:
        return Mark(fault.at.line, begun.end() + 1), (
            f"a text that holds ': ' needs quotes: {_quoted(fault.line[begun.end() :])}"
        )
    above = next((n for n in range(fault.at.line - 1, 0, -1) if fault.lines[n - 1].strip()), 0)
    mark = Mark(fault.at.line, _indent(fault.line) + 1)
    return mark, f"by its indent this line goes on with line {above}; begin it where its neighbours begin"


def _needs_quotes(fault: _Fault) -> Told:
    """A text that begins with a sign that has a meaning in YAML."""
    mark = fault.began if re.search("alias|anchor|tag|directive", fault.doing) else fault.at
    rest = fault.lines[mark.line - 1][mark.column - 1 :]
    if rest.startswith("\t"):
        return mark, "a tab stands where spaces are needed"
    return mark, f"a text that begins with {rest[:1]!r} needs quotes: {_quoted(re.split(r'[]},]', rest)[0])}"


def _quoted(text: str) -> str:
    """As YAML reads it back; a long one is cut."""
    bare = re.sub(r"\s+#.*", "", text).strip()
    shown = bare if len(bare) <= _LONGEST else f"{bare[:_LONGEST]}..."
    return f'"{shown}"' if '"' not in shown and "\\" not in shown else "'" + shown.replace("'", "''") + "'"


def _open_quote(fault: _Fault) -> Told:
    sign = fault.bracket
    return fault.began, f"this quote is never closed; {sign} is missing at the end of the text"


def _escape(fault: _Fault) -> Told:
    return (
        fault.at,
        "within \"...\" a backslash is written twice (\\\\); within '...' it is a plain character",
    )


# --- Lines ---


def _no_colon(fault: _Fault) -> Told:
    word = fault.lines[fault.began.line - 1][fault.began.column - 1 :].strip()
    return fault.began, f"':' is missing after {word!r}, or what this line belongs to is not closed above"


def _odd_indent(fault: _Fault) -> Told:
    if fault.met == "<scalar>":
        return fault.at, "this stands after a value that has ended; put all of a text between its quotes"
    what = "item of a list" if fault.met in ("-", "<block sequence start>") else "line"
    return (
        fault.at,
        f"this {what} begins in column {fault.at.column}, where none above does; indent it as its neighbours",
    )


def _two_documents(fault: _Fault) -> Told:
    return fault.at, "a second document begins here; a scenario is one, without '---' within"


_KINDS: Final[tuple[tuple[str, Callable[[_Fault], Told]], ...]] = (
    (r"parsing a flow .*: expected ','", _in_brackets),
    (r"expected <block end>, but found '[]},]'", _not_opened),
    (r"expected the node content, but found '[]},:]'", _no_value),
    (r"mapping values are not allowed", _second_colon),
    (r"cannot start any token|scanning an? (alias|anchor|tag|directive)|parsing a tag", _needs_quotes),
    (r"undefined alias|mapping keys are not allowed|sequence entries are not allowed", _needs_quotes),
    (r"quoted scalar: found unexpected (end of stream|document separator)", _open_quote),
    (r"quoted scalar: (found unknown escape|expected escape)", _escape),
    (r"could not find expected ':'", _no_colon),
    (r"expected <block end>", _odd_indent),
    (r"expected a single document|expected '<document start>'", _two_documents),
)
