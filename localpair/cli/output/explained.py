"""A verdict as the result of a command: the causes, the evidence and what to do; and the exit code that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.causes.vocabulary import Confidence
from localpair.cli.output.json_fields import verdict_fields
from localpair.cli.output.results import NetworkVerdict
from localpair.cli.terminal.text import printable
from localpair.pairing.failure.verdict import CLAIMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localpair.causes.vocabulary import Explanation, RunVerdict
    from localpair.cli.output.output import Output

FOUND: Final = 6  # the exit code of a diagnosis that names a cause
_NOTHING: Final = "The facts do not tell what keeps the two devices apart."


def show_verdict(verdict: RunVerdict, output: Output, more: Mapping[str, object]) -> None:
    """Show ``verdict`` with ``more`` fields, and let the run end with FOUND where it names a cause."""
    fields = verdict_fields(verdict)
    told = verdict.explanations
    if not output.json:
        for one in told:
            for line in _lines(one, claimed=more.get("claimed") is not None):
                output.draw(line)
        for note in verdict.notes:
            output.talk.note(f"note: {printable(note.sentence, 1000)}")
    if output.json or not told:
        word, text = str(fields.pop("verdict")), str(fields.pop("text"))
        output.show(NetworkVerdict(word, text or _NOTHING, {**fields, **more}))
    if told:
        output.exit_code = FOUND


def _lines(one: Explanation, *, claimed: bool) -> Iterator[str]:
    sure = one.confidence is Confidence.CERTAIN
    yield f"cause: {'' if sure else 'most likely '}{printable(one.sentence, 1000)}"
    evidence = (*one.evidence, CLAIMED) if claimed else one.evidence
    yield f"why: {printable('; '.join(evidence), 1000)}"
    yield f"hint: {printable(one.hint, 1000)}"
