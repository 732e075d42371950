"""How the adapters' scripts keep a daemon, and ask it over HTTP at its own loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOOK_S = 0.1
STATE = Path.cwd()


def start(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """A daemon that ends with this process; what it says goes to stderr."""
    return subprocess.Popen(words, stdout=sys.stderr, env={**os.environ, **environment})


def ask(
    url: str, headers: Mapping[str, str], content: object = None, *, method: str = "POST"
) -> tuple[int, Mapping[str, str], Any]:
    """Status, headers and JSON; status 0 while nobody answers."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, data, {**headers, "Content-Type": "application/json"}, method="GET" if data is None else method
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
            text = answer.read()
            return answer.status, dict(answer.headers), json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), None
    except OSError:
        return 0, {}, None


def until(found: Callable[[], Any]) -> Any:
    """Look until there is something."""
    while not (value := found()):
        time.sleep(LOOK_S)
    return value
