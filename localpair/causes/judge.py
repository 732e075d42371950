"""The verdict: every rule looks at the facts, of one side or of both, and what they find is put in order."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from localpair.causes.facts import Ending
from localpair.causes.rules import both, conflict, own, path, peer, word
from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier
from localpair.causes.rules.notes import remarks
from localpair.causes.rules.view import UnknownFactError, View
from localpair.causes.vocabulary import Cause, Confidence, Place, Remark, RunNote, RunVerdict, Untold
from localpair.causes.words import explain
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair.causes.facts import RunFacts
    from localpair.causes.vocabulary import Explanation

RULES: Final[tuple[CauseRule, ...]] = (
    *word.RULES,
    *own.RULES,
    *conflict.RULES,
    *peer.RULES,
    *both.RULES,
    *path.RULES,
)
_MORE: Final = "there may be further causes, which show once this one is mended"
# What is found first where a path is stuck hides what comes after it on the same path; a refusal does not.
_HIDING: Final = (Tier.OWN, Tier.BOTH)


def judge(mine: RunFacts, theirs: RunFacts | None = None) -> RunVerdict:
    """Why no pair came about, as far as the facts tell, and what else they show. ``theirs`` are what the other device
    says of itself. Beside a pair no cause is named.
    """
    views = [View(mine, theirs)]
    if theirs is not None:
        views.append(View(theirs, mine, mirrored=True))
    notes = tuple(_distinct(remark for view in views for remark in remarks(view)))
    if any(view.here.ending is Ending.PAIRED for view in views):
        return RunVerdict(notes=notes)
    looks = [_Looking(view) for view in views]
    for tier in Tier:
        found = _of_tier(tier, looks)
        if found:
            if tier in _HIDING:
                notes = (*notes, Remark(RunNote.MORE_MAY_LIE_BEHIND, Place.BETWEEN, _MORE))
            return RunVerdict(tuple(found), notes)
    return RunVerdict((), notes, tuple(one for looking in looks for one in looking.untold))


@dataclass(slots=True)
class _Looking:
    """One view, and the rules that could not look for want of facts. ``is_blind``: one of a tier that hides the path
    could not, so that nothing can be said of the path.
    """

    view: View
    untold: list[Untold] = field(default_factory=list)
    is_blind: bool = False

    def look(self, tier: Tier) -> list[Explanation]:
        """What the rules of a tier find."""
        found = [
            _weighed(one, rule, self.view) for rule in RULES if rule.tier is tier for one in self._ask(rule)
        ]
        return [explain(one, self.view) for one in found]

    def _ask(self, rule: CauseRule) -> list[Conclusion]:
        if rule.needs_there and self.view.there is None:
            return []
        try:
            return list(rule.look(self.view))
        except UnknownFactError as missing:
            self.untold.append(Untold(rule.causes, (str(missing),)))
            self.is_blind |= rule.tier < Tier.BOTH
            return []


def _weighed(found: Conclusion, rule: CauseRule, view: View) -> Conclusion:
    """``found``, no surer than it may be: what the other device alone says of the reader's own may be a lie."""
    is_hearsay = view.mirrored and not rule.needs_there and found.device is Place.THERE
    return replace(found, confidence=Confidence.LIKELY) if is_hearsay else found


def _of_tier(tier: Tier, looks: list[_Looking]) -> list[Explanation]:
    """What the rules of one tier find, each thing once, the certain first. Of the path, whoever reads the verdict sees
    enough from one side, unless it sees nothing.
    """
    found: list[Explanation] = []
    for looking in looks:
        blind = [one for one in (looks if tier is Tier.BOTH else [looking]) if one.is_blind]
        if (tier < Tier.BOTH or not blind) and not (tier is Tier.PATH and found):
            found.extend(looking.look(tier))
    found.sort(key=lambda one: one.confidence is not Confidence.CERTAIN)
    return _without_repeats(found)


def _without_repeats(found: list[Explanation]) -> list[Explanation]:
    """Each set of causes once for each device. What is named among others is left out where it is certain."""
    kept: list[Explanation] = []
    seen: set[tuple[frozenset[Cause], Place]] = set()
    sure = {one.cause for one in found if one.confidence is Confidence.CERTAIN}
    for one in found:
        key = (frozenset(one.causes), one.device)
        repeated = key in seen or (len(one.causes) > 1 and bool(sure & set(one.causes)))
        if not repeated:
            seen.add(key)
            kept.append(one)
    return kept


def _distinct(found: Iterator[Remark]) -> Iterator[Remark]:
    """Each note once for each device."""
    seen: set[tuple[RunNote, Place]] = set()
    for one in found:
        if (one.note, one.device) not in seen:
            seen.add((one.note, one.device))
            yield one
