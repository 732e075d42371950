"""Events as calm lines for a person: results on standard output, talk about them on standard error."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from localpair import events
from localpair.causes.vocabulary import Confidence
from localpair.choices.rules import NO_RULE, Acceptance
from localpair.choices.selection import PlannedEntry
from localpair.cli.output import results
from localpair.cli.terminal.text import count, printable, seconds, size, table, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair.causes.vocabulary import Explanation, RunVerdict
    from localpair.choices.rules import DeviceRule
    from localpair.cli.terminal.messages import Talk
    from localpair.cli.terminal.progress import Bars
    from localpair.cli.terminal.status_line import StatusLine


_TEXT_CHARS: Final = 1 << 20  # more than a text can have


class Screen:
    """Shows items to a person. Raises BrokenPipeError where standard output is gone.

    ``listing`` says that nearby devices are the result, as for ``discover``, and no talk.
    """

    def __init__(self, out: TextIO, talk: Talk, bars: Bars, status: StatusLine, *, listing: bool) -> None:
        self._out = out
        self._talk = talk
        self._bars = bars
        self._status = status
        self._explained = ""  # what was told where no line can be rewritten
        self._listing = listing
        self._heard: set[str] = set()
        self._called: set[str] = set()
        self._waiting: dict[str, str] = {}  # what is told of each of several devices that are sought

    def show(self, item: results.Item, whose: events.Peer | None = None) -> None:
        """Show one item, or keep it for the end. ``whose`` of several devices it is: it is named then."""
        if isinstance(item, results.About):
            self._show_about(item)
            return
        if isinstance(item, events.CodeShown | events.Paired | events.Judged):
            self._end_waiting(whose)
        match item:
            case events.Waiting():
                self._show_waiting(item, whose)
            case PlannedEntry():
                self._lines([_planned(item)])
            case results.PlanMade():
                self._lines(_plan(item))
            case results.SessionClosed():
                self._bars.end(item.peer.device_id)
                self._lines(_closed(item, named=whose is not None))
            case results.Delivered():
                self._show_delivered(item)
            case events.PeerFound():
                self._show_nearby(item)
            case results.Checked():
                self._talk.note(f"Checked {item.finding.name}: {item.finding.status}")
            case events.Ready():
                own = ", ".join(str(candidate.address) for candidate in item.addresses)
                self._talk.note(f"Listening on port {item.tcp_port} at {own or 'no address yet'}.")
                if item.called:
                    self._talk.note(f"Other devices are shown this one as {printable(item.called, 40)}.")
            case events.CodeShown():
                found = f"Found {device(item.peer)}; it has to agree. If it asks, answer there."
                self._talk.note(f"{device(item.peer)} is here again." if item.again else found)
                self._talk.note(
                    f"Code: {self._talk.strong(item.code)}   The other screen must show the same."
                )
            case events.PeerGone():
                self._talk.note(f"{device(item.peer)} has gone. Waiting for it to come back.")
            case events.PeerEnded():
                self._tell("The device that had read the offer has ended. Waiting on.")
            case results.AnswerTaken():
                self._show_answer(item)
            case events.CallFailed():
                self._show_call(item)
            case events.Judged():
                self._show_notes(item.verdict)
                self._show_report(item.report)
            case events.Resumed():
                there = "are there" if item.direction == "send" else "are here"
                self._talk.note(
                    f"Going on with {printable(item.file)}: {size(item.bytes)} of it {there} already."
                )
            case results.TextReceived():
                self._show_text(item)
            case events.Reconnected():
                self._talk.note(f"The connection broke; it goes on over {item.path.remote}.")
            case events.Paired() | results.NetworkVerdict():
                self._lines([wrapped(line, self._out) for line in _result(item)])
            case _:
                self._lines(_result(item))

    def show_all(self, items: Sequence[results.Item]) -> None:
        """Show items of one kind as a table."""
        rows = [_row(item) for item in items]
        if rows:
            self._lines(table(rows, indent=""))

    def done(self, _: int = 0) -> None:
        """End the run: all has been said."""
        self._bars.end()

    def failed(self, _: results.RunFailure) -> None:
        """End the run: the error is talk, and said by the caller."""
        self._bars.end()

    def _show_about(self, item: results.About) -> None:
        whose = item.peer if item.named else None
        told = item.item
        if isinstance(told, events.Progress):
            self._bars.update(told, item.peer.device_id, item.peer.label if item.named else "")
        elif isinstance(told, events.Ready) and item.named:
            pass  # each search listens on a port of its own, and nobody needs to know them
        else:
            if isinstance(told, events.Judged) and whose and (told.verdict.notes or told.report):
                self._talk.note(f"About {device(whose)}:")
            self.show(told, whose)

    def _show_delivered(self, item: results.Delivered) -> None:
        self._end_waiting(item.peer)
        if item.failure is not None:
            said = f"{printable(item.peer.label, 64)}: {item.failure.message}"
            self._talk.failure(replace(item.failure, message=said))

    def _show_answer(self, item: results.AnswerTaken) -> None:
        if item.problem is not None:
            self._talk.warning(item.problem.message)
            if item.problem.hint:
                self._talk.hint(item.problem.hint)
            return
        where = ", ".join(str(one.address) for one in item.addresses)
        self._talk.note(f"Thank you. Calling the other device at {where} ...")

    def _show_call(self, item: events.CallFailed) -> None:
        """One line for each device and reason, where a person can act on it. Connections break at any pair: the devices
        open several, and one wins.
        """
        why = item.why if item.why in _CALLS else item.reach
        line = f"{_CALLS.get(why, '')} ({item.source})."
        if why in _CALLS and line not in self._called:
            self._called.add(line)
            self._tell(line)

    def _show_notes(self, verdict: RunVerdict) -> None:
        for one in verdict.notes:
            self._talk.note(f"note: {printable(one.sentence, 1000)}")

    def _show_text(self, item: results.TextReceived) -> None:
        """Every line by itself: what could move the cursor is escaped, and nothing is cut."""
        if item.in_clipboard:
            self._talk.note(f"A text of {device(item.peer)} is in the clipboard.")
            return
        self._talk.note(f"A text of {device(item.peer)}:")
        self._lines([printable(line.expandtabs(), _TEXT_CHARS) for line in item.text.split("\n")])

    def _show_report(self, code: str) -> None:
        """What this side saw, for a person to carry to the other one."""
        if code:
            self._talk.note(
                "Both devices together know more: run `localpair diagnose --merge` on either, and give it this "
                "device's report code and the other one's. It holds addresses, and no secret.\n"
            )
            self._lines([code])
            self._talk.note("")

    def _show_nearby(self, item: events.PeerFound) -> None:
        if item.peer.instance in self._heard:
            return
        self._heard.add(item.peer.instance)
        if self._listing:
            self._lines([nearby(item.peer)])
        else:
            self._tell(f"Heard {_heard(item.peer)}.")

    def _tell(self, text: str) -> None:
        """What has happened meanwhile. A code on the screen must not scroll away for it."""
        if self._status.keeps_code and self._status.draws:
            self._status.tell(text)
        else:
            self._talk.note(text)

    def _end_waiting(self, whose: events.Peer | None) -> None:
        """It is met, or given up; where others are sought still, the line tells of one of those."""
        if whose is not None:
            self._waiting.pop(whose.device_id, None)
            if self._waiting:
                self._status.show(next(iter(self._waiting.values())))
                return
        self._status.end()

    def _show_waiting(self, item: events.Waiting, whose: events.Peer | None) -> None:
        told = item.explanation
        explained = "" if told is None else _explained(told)
        if self._status.draws and whose is not None:
            self._waiting[whose.device_id] = f"{printable(whose.label, 24)}: {explained or item.text}"
            self._status.show(next(iter(self._waiting.values())), item.left_s)
        elif self._status.draws:
            self._status.show(explained or item.text, item.left_s)
        elif explained and explained != self._explained:
            self._explained = explained
            self._talk.note(explained)

    def _lines(self, lines: list[str]) -> None:
        resume = self._talk.pause()
        for line in lines:
            self._out.write(line + "\n")
        self._out.flush()
        resume()


def _explained(told: Explanation) -> str:
    """The best explanation so far, which is seldom the last word."""
    sentence = printable(told.sentence, 400)
    if told.confidence is Confidence.LIKELY:
        return f"Most likely: {sentence}."
    return f"{sentence[:1].upper()}{sentence[1:]}."


def nearby(peer: events.NearbyPeer) -> str:
    """A device that was heard, in a few words, to be told from others."""
    return f"{nearby_name(peer)}, {_ROLES.get(peer.role, 'near')}, at {_where(peer)}"


def nearby_name(peer: events.NearbyPeer) -> str:
    """What a device that has proven nothing is called: the name that it announces, else two words."""
    return printable(peer.label or peer.alias, 40)


def _heard(peer: events.NearbyPeer) -> str:
    """The same where the device is soon told with the name that it proves: two names would look like two devices."""
    who = f"{printable(peer.label, 40)}, which" if peer.label else "a device that"
    return f"{who} {_ROLES.get(peer.role, 'is near')}, at {_where(peer)}"


def _where(peer: events.NearbyPeer) -> str:
    found = dict.fromkeys(str(candidate.address) for candidate in peer.addresses)  # one for each interface
    return ", ".join(list(found)[:3]) or "an unknown address"


_CALLS: Final = {
    "expired": "A device came with an offer that works no more: show it this one",
    "stranger": "A device came that does not know this offer: show it this one",
    "wrong-secret": "A device came that does not know this offer: show it this one",
    "already-claimed": "Another device came, and was refused: the offer is taken",
    "other-device": "Another device came, and was refused: the offer is for the one that was chosen",
    "version": "A device came that runs a version of localpair that this one does not understand",
    "same-role": "A device came that shows an offer, too: one of the two has to read the other's",
    "self": "This very device came: read the offer with the other one",
    "no-localpair": "Something that is no localpair opened a connection here",
}
_ROLES: Final = {
    "host": "makes an offer",
    "join": "looks for an offer",
    "listen": "listens",
    "send": "sends",
    "discover": "looks around",
}


def _result(item: results.Item) -> list[str]:
    match item:
        case events.OfferIssued() | events.AnswerIssued():
            return [item.text]
        case events.Paired():
            how = f"over {item.path.remote} ({item.path.carrier})"
            return [f"Paired with {device(item.peer)} in {seconds(item.elapsed_ms)}, {how}."]
        case results.NetworkVerdict():
            return [printable(item.text, 1000)]
        case results.ServiceTold():
            return _service(item)
        case _:
            return []


def device(peer: events.Peer) -> str:
    """A device that proved itself: the name it gave itself, and its id."""
    label, identity = printable(peer.label, 64), printable(peer.device_id, 40)
    return f"{label} ({identity})" if label and label != identity else identity


def _closed(item: results.SessionClosed, *, named: bool) -> list[str]:
    lines: list[str] = []
    who = device(item.peer)
    for verb, carried, other in (("Sent", item.sent, "to"), ("Received", item.received, "from")):
        if not carried.files:
            continue
        whom = f", {other} {who}" if named else ""
        lines.append(f"{verb} {count(carried.files, 'file')}, {size(carried.bytes)}{whom}:")
        lines += [f"  {printable(path)}" for path in carried.first]
        if carried.files > len(carried.first):
            lines.append(f"  and {carried.files - len(carried.first)} more")
    if item.unchanged:
        there = f"already there ({who})" if named else "already there"
        lines.append(f"{count(item.unchanged, 'file')} {there}, and not sent again.")
    for why, left in item.skipped.items():
        lines.append(_left_out(why, left.count).removesuffix(".") + ":")
        lines += [f"  {printable(path)}" for path in left.first]
        if left.count > len(left.first):
            lines.append(f"  and {left.count - len(left.first)} more")
    return lines


def _service(item: results.ServiceTold) -> list[str]:
    path = printable(str(item.file), 400)
    if not item.state.startswith("would"):
        return [f"The service is {item.state} ({path})."]
    what = "Would write" if item.text else "Would remove"
    text = [f"  {printable(line, 1000)}".rstrip() for line in item.text.splitlines()]
    return [f"{what} {path}", *text, "and run:", *(f"  {printable(one, 1000)}" for one in item.commands)]


def _planned(item: PlannedEntry) -> str:
    path = printable(str(item.path))
    if item.action != "send":
        return f"{item.action}  {path} ({printable(item.reason)})"
    line = f"send  {path}" + ("/" if item.is_folder else f" ({size(item.bytes)})")
    return line + (f" as {printable(item.name)}" if item.renamed else "")


def _plan(item: results.PlanMade) -> list[str]:
    lines = [
        f"Would send {count(item.files, 'file')}, {size(item.bytes)}, in {count(item.folders, 'folder')}."
    ]
    if item.renamed:
        lines.append(f"{item.renamed} under another name than here.")
    if item.failing:
        lines.append(f"{item.failing} could not be sent.")
    return lines + [_left_out(why, number) for why, number in item.skipped.items()]


def _left_out(why: str, number: int) -> str:
    one, several, words = _LEFT_OUT.get(why, ("file", "files", why))
    return f"{number} {one if number == 1 else several} {words}."


_LEFT_OUT: Final = {
    "existing": ("file", "files", "not stored, since another one has the name"),
    "excluded": ("file or folder", "files and folders", "left out (--exclude)"),
    "link": ("link", "links", "left out (--links)"),
    "special": ("pipe, socket or device", "pipes, sockets or devices", "left out"),
    "part": ("part of a file", "parts of files", "left out, since the rest has not arrived here"),
}


def _row(item: results.Item) -> tuple[str, ...]:
    match item:
        case results.TrustedDevice():
            since, met = f"since {_day(item.created)[:10]}", f"met {_day(item.last_seen)}"
            return (printable(item.name, 40), item.device_id, item.state, since, met, _rule_column(item.rule))
        case results.ListedPart():
            much = f"{size(item.bytes)} of {size(item.size)}"
            whose = f"from {printable(item.device, 24) or 'a stranger'}"
            day = _day(item.changed)[:10]
            return (item.state, printable(item.name, 24), much, whose, day, printable(str(item.folder), 60))
        case events.AddressAttempt():
            where = str(item.address) if item.address is not None else "-"
            return (f"stage {item.stage}", where, item.interface or "-", item.outcome, printable(item.reason))
        case _:
            return tuple(_result(item))


def rule_words(rule: DeviceRule) -> str:
    """What happens to files that a device sends, in a few words."""
    if rule.accept is Acceptance.NEVER:
        return "what it sends is refused"
    unasked = rule.accept is Acceptance.ALWAYS
    words = "what it sends is stored unasked" if unasked else "a person is asked about what it sends"
    where = f", in {printable(rule.folder)}" if rule.folder else ""
    return words + where + (f", up to {size(rule.max_size)} at once" if rule.max_size is not None else "")


def _rule_column(rule: DeviceRule) -> str:
    return "" if rule == NO_RULE else rule_words(rule)


def _day(when: float) -> str:
    local = datetime.fromtimestamp(when, UTC).astimezone()
    return local.strftime("%Y-%m-%d %H:%M") if when else "never"
