"""What ``--help`` says: a summary for the list of commands, then the text of the command's own page."""

from __future__ import annotations

from typing import Final

PROGRAM: Final = """\
Pairs two devices on one local network, sends files between them, and says why
where that fails.

examples:
  localpair host --name kitchen --send a.zip   shows a QR code and a text
  localpair join --receive ~/Downloads         on the other one: asks for it
  localpair listen                             later, on the kitchen's device
  localpair send kitchen more.zip              on the other one: needs no code
  localpair diagnose                           when two do not find each other

exit codes: 0 done, 1 a fault of this device, 2 wrong usage or an unreadable
offer, 3 no path to the other device, 4 refused, 5 paired but the transfer
failed, 6 diagnose found a cause, 130 interrupted.
environment: LOCALPAIR_HOME (where keys and devices are kept), LOCALPAIR_OFFER
(read by join), NO_COLOR, LOCALPAIR_DEBUG=1 (a log on standard error),
LOCALPAIR_TRACE=FILE (what happens on the network, a JSON line each).
"""

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "host": (
        "show an offer and wait for the other device",
        """\
Shows an offer, as a QR code and as text, and waits for the other device to
read it. The offer works once and for two minutes; a new one is shown when it
is used up. If the other device shows a code that begins with LA:, type it here
and press Enter.

examples:
  localpair host                               only pair
  localpair host --send photos/ --send a.pdf   pair, then send
  localpair host --receive ~/Downloads         pair, then receive
  localpair host --qr offer.png --json         for programs
  localpair host --flow post                   first see who is near, then offer
""",
    ),
    "join": (
        "read the offer of the other device and pair",
        """\
Reads the offer that the other device shows and pairs with it. It is pasted at
the prompt, piped in with `-`, taken from a picture with --image, or from the
variable LOCALPAIR_OFFER; never from the command line, which other users can
read. Where only the other device can open connections, a code is shown to be
typed there.

examples:
  localpair join --receive ~/Downloads    asks for the offer
  localpair join --image photo.jpg        reads the QR code in a picture
  pbpaste | localpair join -              reads standard input
""",
    ),
    "discover": (
        "list the devices that are near",
        """\
Lists the devices that announce themselves on this network, without their being
paired. What is heard here proves nothing about who they are. Paired devices,
and those that show an offer, keep to themselves: all that is said of them is
that somebody is there.

examples:
  localpair discover --timeout 10
  localpair discover --json | jq -r 'select(.event == "peer").alias'
""",
    ),
    "addresses": (
        "show the addresses of this device and what is known about each",
        """\
Finds this device's own addresses in three stages: the one that traffic would
leave from, all that the interfaces have, and what another device sees. Each
try is shown with what came of it.

examples:
  localpair addresses
  localpair addresses --json
""",
    ),
    "diagnose": (
        "run every check of this device's network, and report",
        """\
Runs every check in series and reports all of them, also those that fail, also
when interrupted. The report holds no secret. With --redact it can be shown to
anybody: host parts of addresses, hardware addresses and names are masked.

examples:
  localpair diagnose
  localpair diagnose --redact --output report.json
  localpair diagnose --offer           asks for an offer and tests towards it
  localpair diagnose --merge           asks for the codes that two runs showed
""",
    ),
    "devices": (
        "list, rename, forget or revoke paired devices, and set rules for them",
        """\
Shows the devices that this one is paired with, and changes what is kept about
them. A device is named by its name, its id, or the beginning of its id.

examples:
  localpair devices
  localpair devices rename 3f2a kitchen
  localpair devices forget kitchen     it and its keys: it is a stranger then
  localpair devices revoke kitchen     refuse it from now on
  localpair devices rules kitchen --accept always   store what it sends unasked
  localpair devices parts              files that did not arrive whole
""",
    ),
    "send": (
        "send files to a paired device that listens",
        """\
Finds a paired device again, wherever it is on the network now, and sends it
files and folders. It must run `localpair listen`.

examples:
  localpair send kitchen report.pdf photos/
  localpair send kitchen project --exclude .git --exclude '*.o'
  localpair send kitchen project --dry-run     shows what that would send
""",
    ),
    "listen": (
        "receive what paired devices send",
        """\
Waits for paired devices and stores what they send, until it is interrupted.
Before anything is stored a person is asked, unless --yes is given.

examples:
  localpair listen --receive ~/Downloads
  localpair listen --yes --once --timeout 60
""",
    ),
}

PARTS: Final = """\
Lists the parts of files that did not arrive whole, in the folders that this
device has received into. Sending such a file again goes on where it stood.
Parts that are too old or too many are removed, and named.

examples:
  localpair devices parts
  localpair devices parts kitchen --remove
"""
PARTS_OF: Final = "only those that this device sent"
REMOVE_PARTS: Final = "removes all that are listed"
RULES: Final = """\
Shows what happens to files that a paired device sends, or changes it. What is
not given stays as it is. A running `localpair listen` goes by it at once.

examples:
  localpair devices rules kitchen
  localpair devices rules kitchen --accept always --receive ~/Pictures
  localpair devices rules kitchen --max-size 2G
  localpair devices rules kitchen --accept never
  localpair devices rules kitchen --reset
"""

FLOW: Final = "pre: the offer comes first (default); post: the devices find each other first"
OFFER_ADDRESSES: Final = (
    "which of this device's addresses the offer holds (default: all); it works without any"
)
NAME: Final = "what this device calls itself, to the other one; an offer shows it, too (default: its kind)"
PORT: Final = "TCP and UDP port to listen on (default: the first free one of 46821 to 46829)"
TIMEOUT: Final = "give up after S seconds (default: %s)"
SEND: Final = "a file or folder to send once paired; may be given several times"
EXCLUDE: Final = (
    "leave out files and folders that match, such as *.tmp, cache/ or photos/raw; may be given several times"
)
DRY_RUN: Final = "only show what would be sent, left out and renamed; no device is called"
LINKS: Final = "links inside a folder: skip leaves them out (default), follow sends what they point to"
RECEIVE: Final = (
    "store what the other device sends in DIR (localpair-received in it, if it holds hidden files)"
)
RECEIVE_HERE: Final = "store what comes in DIR (default: the current folder)"
MAX_FILES: Final = "stop a transfer that brings more files and folders (default: %(default)d)"
MAX_SIZE: Final = "stop a transfer that brings more, such as 500M or 2 GB (default: 1 TB)"
ACCEPT: Final = "store what it sends unasked, ask a person each time (default), or refuse it"
RECEIVE_RULE: Final = "store what it sends in DIR, wherever the rest goes"
MAX_SIZE_RULE: Final = "stop a transfer of it that brings more, such as 500M or 2 GB"
RESET_RULE: Final = "take the rule back, before what else is given is set"
MAX_DEPTH: Final = "refuse what lies in more folders than N (default: %(default)d)"
ALLOW_HIDDEN: Final = "store hidden names and those that programs act on as they are, and in any DIR"
EXISTING: Final = (
    "what becomes of a file whose name is taken: rename stores both (default), skip keeps the old one, replace "
    "takes the new one, ask asks a person; a file with the same content is not sent again"
)
QR: Final = "draw the code in the terminal (default there), not at all, or into FILE (.svg or .png)"
YES: Final = "do not ask before data is given away or stored (for unattended use)"
JSON: Final = "write events to standard output, one JSON object a line (docs/cli.md)"
STDIN: Final = "a single hyphen: read the offer from standard input"
IMAGE: Final = "read the offer from the QR code in this picture"
OUTPUT: Final = "also write the report to FILE: JSON, or text if it ends in .txt"
ASK_OFFER: Final = "ask for the other device's offer, and test towards it; it is not used up"
MERGE: Final = (
    "judge two reports, this device's first: report codes, files, or - for standard input; a report that is not "
    "given is asked for"
)
REDACT: Final = "mask addresses, hardware addresses and names, in the report and in the copy"
ONCE: Final = "end after the first device has come and gone"
