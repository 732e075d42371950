"""A headless Chromium, driven through its debugging pipe with nothing but the standard library.

It opens files; every request to a network would go to a port of loopback on which nobody listens.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no Chromium here to show a page: install the package chromium"
_ANSWER_S = 60.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--proxy-server=127.0.0.1:1",
)  # fmt: skip
_KEYS = {"Enter": 13, "Space": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}


def program() -> str | None:
    """The path of a Chromium; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(slots=True)
class Tab:
    """One page. ``complaints`` is all that its console held; ``requests`` all that it asked for."""

    process: subprocess.Popen[bytes]
    read: int
    write: int
    session: str = ""
    number: int = 0
    waiting: bytes = b""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    loaded: bool = False

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the debugging protocol, and its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.waiting:
            ready, _, _ = select([self.read], [], [], _ANSWER_S)
            assert ready, "Chromium does not answer"
            part = os.read(self.read, 1 << 16)
            assert part, "Chromium has ended"
            self.waiting += part
        first, _, self.waiting = self.waiting.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self.loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(parameters)[:2000])
            case _:
                pass

    def open(self, page: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Show the file, and wait until it has loaded."""
        self.open_address(page.as_uri(), width=width, dark=dark)

    def open_address(self, address: str, *, width: int = 1280, dark: bool = False) -> None:
        """Show what is there, and wait until it has loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.complaints.clear()
        self.requests.clear()
        self.loaded = False
        self.ask("Page.navigate", url=address)
        while not self.loaded:
            self._next()

    def value(self, expression: str) -> Any:
        """What the page's script says that this is; the page's policy does not bind it."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key of the keyboard, on what has the focus."""
        code = _KEYS[key]
        text = {"Enter": "\r", "Space": " "}.get(key, "")
        names = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **names)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **names)

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


@contextmanager
def tab(chromium: str, profile: Path) -> Iterator[Tab]:
    """A browser with one page; its profile goes into a folder of the test's own."""
    their_read, write = os.pipe()
    read, their_write = os.pipe()
    words = ["bash", "-c", f'exec "$@" 3<&{their_read} 4>&{their_write}', "bash", chromium]
    process = subprocess.Popen(
        [*words, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(their_read, their_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(their_read)
    os.close(their_write)
    try:
        made = Tab(process, read, write)
        target = made.ask("Target.createTarget", url="about:blank")["targetId"]
        made.session = made.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            made.ask(f"{domain}.enable")
        yield made
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)
