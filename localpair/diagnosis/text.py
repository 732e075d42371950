"""A report as text for people: readable without colour, and whatever a stranger wrote in it stays harmless."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from localpair.diagnosis.record import Status
from localpair.names.visible import escaped

if TYPE_CHECKING:
    from localpair.diagnosis.facts import Facts, Json
    from localpair.diagnosis.record import Finding, Report

_WIDTH: Final = 80
_RECORDS: Final = frozenset({"run", "claimed"})  # for programs: what they come to is said in words
# Faults stand out by their letters, where there is no colour.
_SHOWN: Final = {Status.OK: "ok", Status.SKIPPED: "skipped", Status.CUT: "cut"}


def to_text(report: Report, *, redact: bool = False) -> str:
    """The report for people: a line for each check, then the facts. Without colour; ends in a newline."""
    if redact and not report.redacted:
        report = report.redact()
    lines = [*_head(report), "", *_overview(report.findings)]
    for finding in report.findings:
        lines += ["", *_details(finding)]
    return "\n".join(map(harmless, lines)) + "\n"


def harmless(text: str) -> str:
    """``text`` with everything that is hidden or not printable written as an escape."""
    shown = escaped(text)
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)


def _head(report: Report) -> Iterator[str]:
    counts = Counter(finding.status for finding in report.findings)
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    yield f"localpair {report.version} diagnosis {report.id}, {report.started}"
    yield f"{len(report.findings)} checks in {report.ms / 1000:.1f} s: {told or 'none'}"
    if report.interrupted:
        yield "The series was interrupted: what had been found by then follows."
    if report.redacted:
        yield "Masked: host parts of addresses, MAC addresses, names. Equal masks mean equal values."


def _overview(findings: Sequence[Finding]) -> Iterator[str]:
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        shown = _SHOWN.get(finding.status, finding.status.value.upper())
        yield from _wrapped(f"  {shown:<8} {finding.name:<{width}}  ", finding.summary)


def _details(finding: Finding) -> Iterator[str]:
    yield f"{finding.name} ({finding.status}, {finding.ms:.0f} ms)"
    if finding.error:
        yield f"  error: {_inline(finding.error)}"
    yield from _facts({name: value for name, value in finding.facts.items() if name not in _RECORDS}, "  ")


def _facts(facts: Facts, indent: str) -> Iterator[str]:
    for name, value in facts.items():
        if value is None or (isinstance(value, Mapping | Sequence) and not value):
            continue
        line = f"{indent}{name}: {_inline(value)}"
        if not isinstance(value, Mapping | list | tuple) or (_flat(value) and len(line) <= _WIDTH):
            yield line
        else:
            yield f"{indent}{name}:"
            yield from _block(value, indent + "  ")


def _block(value: Json, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _facts(value, indent)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _wrapped(f"{indent}- ", _inline(item))


def _wrapped(lead: str, text: str) -> list[str]:
    """``text`` behind ``lead``, its further lines under its first one. Words are never broken."""
    wrapper = textwrap.TextWrapper(
        width=_WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.wrap(text) or [lead.rstrip()]


def _flat(value: Json) -> bool:
    """Whether ``value`` reads well on one line."""
    if isinstance(value, Mapping):
        return not any(isinstance(item, Mapping | list | tuple) for item in value.values())
    return isinstance(value, list | tuple) and not any(
        isinstance(item, Mapping | list | tuple) for item in value
    )


def _inline(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {_nested(item)}" for name, item in value.items() if item not in (None, "", [], {}, False)
        )
    if isinstance(value, list | tuple):
        return ", ".join(_nested(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _nested(value: Json) -> str:
    nested = isinstance(value, Mapping | list | tuple)
    return f"({_inline(value)})" if nested else _inline(value)
