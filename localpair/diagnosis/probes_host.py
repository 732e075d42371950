"""Checks of the host itself: versions, clock, environment and the state on disk. No sockets."""

from __future__ import annotations

import os
import platform
import re
import shutil
import ssl
import stat
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair._version import __version__
from localpair.diagnosis.evidence import system_error
from localpair.net.host.files import read_text
from localpair.net.netcheck.port_holders import ipv6_compiled

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json

_LIBRARIES: Final = (
    "cryptography",
    "ifaddr",
    "netaddr",
    "pillow",
    "platformdirs",
    "psutil",
    "rich",
    "segno",
    "zxing-cpp",
)
_PLAUSIBLE_YEARS: Final = range(2024, 2100)
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ftp_proxy", "no_proxy")
# Variables that say something about where we run. Their values are never read.
_TELLING: Final = (
    "LOCALPAIR_HOME",
    "LOCALPAIR_OFFER",
    "SSLKEYLOGFILE",
    "SSH_CONNECTION",
    "KUBERNETES_SERVICE_HOST",
    "SNAP",
    "FLATPAK_ID",
    "APPIMAGE",
    "WSL_DISTRO_NAME",
    "container",
)
_CAPABILITIES: Final = {"net_bind_service": 10, "net_admin": 12, "net_raw": 13, "sys_admin": 21}


def versions(_: CheckContext, notes: CheckNotes) -> None:
    """Versions of localpair, Python, OpenSSL, the libraries and the system; whether the keys' library loads."""
    system = f"{platform.system()} {platform.release()}"
    notes.fact("localpair", __version__)
    notes.fact("python", f"{platform.python_implementation()} {platform.python_version()}")
    notes.fact("openssl", ssl.OPENSSL_VERSION)
    notes.fact("tls_1_3", ssl.HAS_TLSv1_3)
    notes.fact("ipv6_compiled", ipv6_compiled())
    notes.fact("system", system)
    notes.fact("machine", platform.machine())
    notes.fact("distribution", _distribution())
    notes.fact("libraries", {name: _version(name) for name in _LIBRARIES})
    notes.say(f"localpair {__version__}, Python {platform.python_version()}, {system}")
    if not ssl.HAS_TLSv1_3:
        notes.fail(f"{ssl.OPENSSL_VERSION} cannot do TLS 1.3")
    try:
        import_module("localpair.keys")
    except Exception as error:  # noqa: BLE001 - a broken wheel raises whatever it likes
        notes.fact("keys", type(error).__name__)
        notes.fail("the cryptography library cannot be loaded")


def clock(_: CheckContext, notes: CheckNotes) -> None:
    """Both clocks. Nothing in localpair is decided by the wall clock; a wrong one misleads whoever reads logs."""
    now = datetime.now(UTC)
    notes.fact("wall", now.isoformat(timespec="milliseconds"))
    notes.fact("monotonic", time.monotonic())
    for name in ("time", "monotonic"):
        info = time.get_clock_info(name)
        notes.fact(
            f"{name}_source",
            {
                "source": info.implementation,
                "resolution": f"{info.resolution:g} s",
                "adjustable": info.adjustable,
            },
        )
    if sys.platform.startswith("linux") and Path("/run/systemd/timesync").exists():
        notes.fact("synchronised", Path("/run/systemd/timesync/synchronized").exists())
    if now.year in _PLAUSIBLE_YEARS:
        notes.say(f"the clock says {now:%Y-%m-%d %H:%M} UTC")
    else:
        notes.fail(f"the clock says {now.year}; pairing does not depend on it, other programs do")


def environment(_: CheckContext, notes: CheckNotes) -> None:
    """Proxy settings and signs of a container or sandbox. Names of variables only, never a value."""
    present = {name.lower() for name in os.environ if os.environ[name]}
    proxies = [name for name in _PROXIES if name in present]
    containers = _containers()
    notes.fact("proxy_variables", proxies)
    notes.fact("variables", [name for name in _TELLING if os.environ.get(name)])
    notes.fact("container_signs", containers)
    notes.fact("process", _process())
    notes.say(f"proxy variables set (not used): {', '.join(proxies)}" if proxies else "no proxy variables")
    if containers:
        notes.say(f"in a container or sandbox ({', '.join(containers)})")


def state_on_disk(setting: CheckContext, notes: CheckNotes) -> None:
    """The folder of keys and trust: permissions, room, and whether the files can be read. Changes nothing."""
    folder = setting.folder
    notes.fact("folder", folder)
    notes.fact("exists", folder.is_dir())
    if not folder.is_dir():
        notes.say("nothing is stored yet")
        return
    notes.fact("folder_mode", _mode(folder))
    notes.fact("writable", os.access(folder, os.W_OK))
    notes.fact("free_mib", shutil.disk_usage(folder).free // 2**20)
    notes.fact("set_aside", len(list(folder.glob("trust.json.broken-*"))))
    if not os.access(folder, os.W_OK):
        notes.fail(f"{folder} is not writable")
    _key(folder, notes)
    _trust(folder, notes)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _distribution() -> str | None:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return release.get("PRETTY_NAME")


def _containers() -> list[str]:
    signs = {
        "docker": Path("/.dockerenv").exists(),
        "podman": Path("/run/.containerenv").exists(),
        "kubernetes": bool(os.environ.get("KUBERNETES_SERVICE_HOST")),
        "flatpak": Path("/.flatpak-info").exists(),
        "snap": bool(os.environ.get("SNAP")),
        "wsl": "microsoft" in platform.release().lower(),
        "cgroup": bool(
            re.search(r"docker|containerd|kubepods|lxc|libpod", read_text("/proc/1/cgroup") or "")
        ),
        "container": bool(os.environ.get("container")),  # noqa: SIM112 - systemd spells it so
    }
    return [name for name, present in signs.items() if present]


def _process() -> Facts:
    """What the process may do, as far as the platform tells."""
    facts: dict[str, Json] = {}
    if hasattr(os, "geteuid"):
        facts["root"] = os.geteuid() == 0
    status = read_text("/proc/self/status") or ""
    if found := re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE):
        mask = int(found[1], 16)
        facts["capabilities"] = [name for name, bit in _CAPABILITIES.items() if mask >> bit & 1]
    for field, name in (("Seccomp", "seccomp"), ("NoNewPrivs", "no_new_privileges")):
        if found := re.search(rf"^{field}:\s*(\d+)$", status, re.MULTILINE):
            facts[name] = found[1] != "0"
    if sys.platform != "win32":
        import resource

        facts["open_files_limit"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return facts


def _mode(path: Path) -> str | None:
    return None if sys.platform == "win32" else f"{stat.S_IMODE(path.stat().st_mode):04o}"


def _private(path: Path, notes: CheckNotes) -> dict[str, Json] | None:
    """Size and mode of a file, None where there is none; a mode that lets others read it is a fault."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    mode = _mode(path)
    if mode is not None and int(mode, 8) & 0o077:
        notes.fail(f"{path.name} can be read by others (mode {mode})")
    return {"mode": mode, "bytes": status.st_size}


def _key(folder: Path, notes: CheckNotes) -> None:
    facts = _private(folder / "device.key", notes)
    notes.fact("device_key", facts)
    if facts is not None and facts["bytes"] != 32:
        notes.fail("device.key does not hold a key")


def _trust(folder: Path, notes: CheckNotes) -> None:
    """Count the devices in the store; nothing of its content leaves this function."""
    from localpair.limits import TRUST_BYTES
    from localpair.trust.file import parse

    path = folder / "trust.json"
    facts = _private(path, notes)
    notes.fact("trust_file", facts)
    if facts is None:
        notes.say("no device is paired")
        return
    try:
        with path.open("rb") as file:
            states = Counter(entry.record.state.value for entry in parse(file.read(TRUST_BYTES + 1)).entries)
    except OSError as error:
        notes.fact("trust_error", system_error(error))
        notes.fail("trust.json cannot be read")
    except ValueError as error:
        notes.fail(f"trust.json is broken: {error}")
    else:
        notes.fact("devices", dict(states))
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        notes.say(f"devices: {told or 'none'}")
