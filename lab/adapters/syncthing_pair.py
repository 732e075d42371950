"""Two syncthing daemons: the joiner knows the host's device id, and the host accepts the device that asks."""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from typing import Any

import meet
from daemons import STATE, ask, start, until

HOME = STATE / "syncthing"
URL = "http://127.0.0.1:8384/rest"
OPTIONS = {
    "globalAnnounceEnabled": "false", "relaysEnabled": "false", "natEnabled": "false", "urAccepted": "-1",
    "crashReportingEnabled": "false", "autoUpgradeIntervalH": "0", "startBrowser": "false",
    "reconnectionIntervalS": "5",
}  # fmt: skip
GRACE_S = 2.0  # so that the other side has seen the connection, too
_headers: dict[str, str] = {}


def configured() -> str:
    """Keys and settings; this device's id."""
    subprocess.run(["syncthing", "generate", "--home", HOME], check=True, stdout=sys.stderr)
    file = HOME / "config.xml"
    tree = ET.parse(file)  # noqa: S314 - our own file
    options = next(tree.iter("options"))
    for name, value in OPTIONS.items():
        entry = options.find(name)
        entry = ET.SubElement(options, name) if entry is None else entry
        entry.text = value
    for folder in tree.findall("folder"):
        tree.getroot().remove(folder)
    tree.write(file)
    _headers["X-API-Key"] = str(tree.findtext("gui/apikey"))
    return str(next(one for one in tree.findall("device")).get("id"))


def get(path: str) -> Any:
    """What the daemon says there; None while it starts."""
    return ask(f"{URL}/{path}", _headers)[2]


def accept(device: str) -> None:
    """Pair with it from now on."""
    until(lambda: ask(f"{URL}/config/devices", _headers, {"deviceID": device})[0] == 200)


def connected() -> str:
    """Where the other device is; empty while it is not there."""
    connections = (get("system/connections") or {}).get("connections", {})
    return next((one["address"] for one in connections.values() if one["connected"]), "")


def main(side: str, other: str) -> None:
    """One of the two."""
    own = configured()
    daemon = start("syncthing", "serve", "--home", str(HOME), "--no-browser", "--no-restart", STNOUPGRADE="1")
    until(lambda: get("system/ping"))
    if side == "host":
        meet.say(f"offer {own}")
        for device in until(lambda: get("cluster/pending/devices")):
            accept(device)
    else:
        accept(other)
    address = until(connected)
    meet.say(f"paired with {address}")
    time.sleep(GRACE_S)
    daemon.terminate()
    daemon.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
