"""Two transmission daemons with one torrent that names no tracker: they have local peer discovery alone."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from typing import Any

import meet
from daemons import STATE, ask, start, until

URL = "http://127.0.0.1:9091/transmission/rpc"
SESSION = "X-Transmission-Session-Id"
NAME = "hello.bin"
SETTINGS = {
    "lpd-enabled": True, "dht-enabled": False, "pex-enabled": False, "utp-enabled": False,
    "port-forwarding-enabled": False,
    "rpc-bind-address": "127.0.0.1", "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False,
}  # fmt: skip
_headers: dict[str, str] = {}


def torrent(content: bytes) -> bytes:
    """The same on both sides: without a tracker, and not private, since those are not announced."""
    piece = hashlib.sha1(content, usedforsecurity=False).digest()
    info = b"d6:lengthi%de4:name%d:%s12:piece lengthi32768e6:pieces20:%se"
    return b"d4:info" + info % (len(content), len(NAME), NAME.encode(), piece) + b"e"


def call(method: str, **arguments: Any) -> Any:
    """What the daemon answers; None while it starts."""
    code, headers, answer = ask(URL, _headers, {"method": method, "arguments": arguments})
    if code == 409:  # its first word is the session's number
        _headers[SESSION] = headers[SESSION]
        return call(method, **arguments)
    return answer["arguments"] if answer else None


def main(side: str) -> None:
    """Seed, or fetch."""
    content = (STATE / NAME).read_bytes()
    folders = {name: STATE / name for name in ("settings", "downloads")}
    for folder in folders.values():
        folder.mkdir()
    if side == "host":
        shutil.copy(STATE / NAME, folders["downloads"])
    settings = {**SETTINGS, "download-dir": str(folders["downloads"])}
    (folders["settings"] / "settings.json").write_text(json.dumps(settings))
    daemon = start("transmission-daemon", "--foreground", "--config-dir", str(folders["settings"]))
    until(lambda: call("session-get"))
    call("torrent-add", metainfo=base64.b64encode(torrent(content)).decode())
    meet.say("ready")
    field = "uploadedEver" if side == "host" else "haveValid"
    until(lambda: call("torrent-get", fields=[field])["torrents"][0][field] >= len(content))
    meet.say("paired")
    daemon.terminate()
    daemon.wait()


if __name__ == "__main__":
    main(sys.argv[1])
