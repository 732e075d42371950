"""What a run of generated topologies came to, in numbers and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from localpair_lab.generate.pool import PlayedTopology
from localpair_lab.judge.verdict import Verdict
from localpair_lab.oracle.packet import Delivery

WORDS = {Delivery.YES: "possible", Delivery.NO: "impossible", Delivery.MAYBE: "undecided"}
SLOW_S = 1.0  # the bound where the offer holds addresses and nothing is lost or late
WIDTH = 100


def is_slow(played: PlayedTopology) -> bool:
    """Whether a pair with an offer full of addresses, on a network at rest, took more than a second."""
    at_rest = "no-addresses-offered" not in played.sample.features and not played.sample.document.get(
        "events"
    )
    return at_rest and played.outcome.paired_after_s is not None and played.outcome.paired_after_s > SLOW_S


def slowest(played: Sequence[PlayedTopology]) -> list[PlayedTopology]:
    """Those that were slow, the slowest first."""
    return sorted(filter(is_slow, played), key=lambda one: -(one.outcome.paired_after_s or 0.0))


def summary(played: Sequence[PlayedTopology]) -> Iterator[str]:
    """The numbers, line by line."""
    answers = Counter(WORDS[one.sample.expected.answer] for one in played)
    yield f"{len(played)} topologies: " + ", ".join(f"{answers[word]} {word}" for word in WORDS.values())
    differing = Counter(one.disagreement.kind for one in played if one.disagreement)
    unsupported = sum(one.outcome.verdict is Verdict.UNSUPPORTED for one in played)
    agreed = len(played) - differing.total() - unsupported
    told = [f"{count} {kind}" for kind, count in differing.most_common()]
    told += [f"{unsupported} unsupported here"] if unsupported else []
    yield f"agreed {agreed}" + (f", disagreed {differing.total()}: {', '.join(told)}" if told else "")
    times = sorted(one.outcome.paired_after_s for one in played if one.outcome.paired_after_s is not None)
    if times:
        late = sum(map(is_slow, played))
        yield (
            f"paired in {median(times):.2f} s (median), {times[int(len(times) * 0.95)]:.2f} s (95%), "
            f"{times[-1]:.2f} s (longest); {late} that should have taken less than {SLOW_S:g} s did not"
        )
    yield from _counted("paths", [one.outcome.path for one in played if one.outcome.path])
    yield from _counted("causes", [cause for one in played for cause in _causes(one)])
    yield from _counted("holding", [feature for one in played for feature in one.sample.features])


def _causes(played: PlayedTopology) -> list[str]:
    if played.sample.expected.answer is not Delivery.NO:
        return []
    return [cause or "nothing learnt" for cause in played.sample.expected.judgement.causes]


def _counted(title: str, words: Sequence[str]) -> Iterator[str]:
    """``words`` with their counts, most frequent first, wrapped."""
    line = f"{title:8} "
    for word, count in Counter(words).most_common():
        entry = f"{word} {count}, "
        if len(line) + len(entry) > WIDTH:
            yield line.rstrip()
            line = " " * 9
        line += entry
    if line.strip() and words:
        yield line.rstrip(", ")
