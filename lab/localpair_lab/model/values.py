"""The scalars of a scenario file: text in, typed value out, with a message that says how to write it instead.

The loader hands every scalar over as text (``1:30``, ``off``, ``010`` and ``.10`` stay what was typed), so
each kind of value is read here and nowhere else. Every reader raises ValueError with a sentence for the
author.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from localpair_lab.model.kernel_names import LONGEST_NAME, dotted, fault_of_key, fault_of_name

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile(_NUMBER + r"\s*(ms|s|m|min|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(_NUMBER + r"\s*(bit|kbit|mbit|gbit)")
_KBIT = {"bit": 0.001, "kbit": 1.0, "mbit": 1000.0, "gbit": 1_000_000.0}
_SIZE = re.compile(_NUMBER + r"\s*(B|kB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MOST_BYTES = 2**30
MOST_SECONDS = 100 * 366 * 86_400.0
MTUS = (68, 65_535)  # RFC 791, 3.2
HIGHEST_VLAN = 4094  # IEEE 802.1Q, 9.6
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]{0,199}")
PACKAGE = re.compile(r"(?:(?:pip|npm):)?[A-Za-z0-9@][A-Za-z0-9@._/+-]{0,99}")
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def _measure(
    pattern: re.Pattern[str], units: dict[str, float] | dict[str, int], text: str, example: str
) -> float:
    found = pattern.fullmatch(text)
    if found is None:
        known = ", ".join(units)
        bare = re.fullmatch(_NUMBER, text)
        what = f"{text!r} has no unit" if bare else f"{text!r} is not understood"
        raise ValueError(f"{what}; write it as {example} (units: {known})")
    return float(found[1]) * units[found[2]]


def read_duration(value: object) -> float:
    """Seconds: ``250ms``, ``3s``, ``2m``, ``1h``; a sign in front is allowed for offsets."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    text = _text(value, "a duration such as 3s or 250ms")
    sign = -1.0 if text.startswith("-") else 1.0
    seconds = _measure(_DURATION, _SECONDS, text.lstrip("+-").strip(), "3s or 250ms")
    if seconds > MOST_SECONDS:
        raise ValueError("no clock goes so far; a century is the most")
    return sign * seconds


def read_length_of_time(value: object) -> float:
    """A duration that is not negative."""
    seconds = read_duration(value)
    if seconds < 0:
        raise ValueError(f"{value} is negative; time runs forwards here")
    return seconds


def read_percent(value: object) -> float:
    """``20%``: 0 to 100, the sign is required so that 0.2 and 20 cannot be mistaken for each other."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    text = _text(value, "a share such as 20%")
    found = re.fullmatch(_NUMBER + r"\s*%", text)
    if found is None:
        raise ValueError(f"{text!r} is no share; write it with its sign, such as 20%")
    if float(found[1]) > 100:
        raise ValueError(f"{text} is more than 100%")
    return float(found[1])


def read_rate(value: object) -> float:
    """Kilobits a second: ``64kbit``, ``8mbit``."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    return _measure(_RATE, _KBIT, _text(value, "a rate such as 64kbit"), "64kbit or 8mbit")


def read_size(value: object) -> int:
    """Bytes: ``500B``, ``64kB``, ``1MiB``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    size = _measure(_SIZE, _BYTES, _text(value, "a size such as 1MiB"), "1MiB or 64kB")
    if size > MOST_BYTES:
        raise ValueError(f"{value} is more than the lab makes; at most 1GiB")
    return int(size)


def read_flag(value: object) -> bool:
    """``true`` or ``false`` and nothing else: YAML 1.1 would also take on, off, yes, no, y and n."""
    if isinstance(value, bool):
        return value
    text = _text(value, "true or false")
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is no flag; write true or false")
    return text == "true"


def read_count(value: object) -> int:
    """A whole number in decimal; ``010`` is refused, because YAML 1.1 reads it as 8 and people as 10."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(value, "a whole number")
    if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) is None:
        raise ValueError(f"{text!r} is no whole number; write plain decimal digits, 18 at most")
    return int(text)


def read_mtu(value: object) -> int:
    """Bytes of an IP packet: 68 to 65535."""
    size = read_count(value)
    if not MTUS[0] <= size <= MTUS[1]:
        raise ValueError(f"{size} is no MTU; write one from {MTUS[0]} to {MTUS[1]}")
    return size


def read_tag(value: object) -> int:
    """The number of a VLAN, 1 to 4094, or ``untagged``, which is 0 in the model."""
    if value == "untagged":
        return 0
    tag = read_count(value)
    if not 1 <= tag <= HIGHEST_VLAN:
        raise ValueError(f"{tag} is no VLAN; write a number from 1 to {HIGHEST_VLAN}, or untagged")
    return tag


def read_prefix(value: object) -> str:
    """A subnet such as 192.168.1.0/24; host bits must be zero."""
    text = _text(value, "a prefix such as 192.168.1.0/24")
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix length; write it as {text}/24 or the like")
    try:
        return str(ip_network(text))
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(
                f"{text} has host bits set; did you mean {ip_network(text, strict=False)}?"
            ) from None
        raise ValueError(f"{text!r} is no prefix; write it as 192.168.1.0/24 or fd00:1::/64") from None


def read_target(value: object) -> str:
    """A destination of a route or rule: a prefix, a single address, or ``default``."""
    text = _text(value, "a prefix, an address or default")
    if text in ("default", "default6"):
        return "0.0.0.0/0" if text == "default" else "::/0"
    if "/" in text:
        return read_prefix(text)
    return str(ip_network(read_address(text)))


def read_address(value: object) -> str:
    """One literal address without a prefix length."""
    text = _text(value, "an address such as 192.168.1.10")
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no address; write it as 192.168.1.10 or fd00:1::10") from None


def read_host(value: object) -> str:
    """An address of an interface, with or without its prefix length, or ``auto``."""
    text = _text(value, "an address such as 192.168.1.10")
    if text == "auto":
        return text
    if "/" not in text:
        return read_address(text)
    try:
        interface: IPv4Interface | IPv6Interface = ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is no address; write it as 192.168.1.10 or 192.168.1.10/24") from None
    return str(interface)


def read_mac(value: object) -> str:
    """The hardware address of one station: no group's, and not all zeros."""
    text = _text(value, "a hardware address such as 02:00:00:00:00:01").lower()
    if MAC.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no hardware address; write it as 02:00:00:00:00:01")
    octets = bytes.fromhex(text.replace(":", ""))
    if octets[0] & 1 or not any(octets):
        raise ValueError(
            f"{text} is no single station's; the first number of one is even, as in 02:00:00:00:00:01"
        )
    return text


def read_ports(value: object) -> tuple[int, int]:
    """A port or a range: ``5353`` or ``42000-42009``."""
    if isinstance(value, tuple):
        return value
    text = _text(value, "a port such as 5353 or 42000-42009")
    found = re.fullmatch(r"([0-9]+)(?:\s*-\s*([0-9]+))?", text)
    if found is None:
        raise ValueError(f"{text!r} is no port; write 5353 or 42000-42009")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"{text} is no range of ports between 1 and 65535")
    return first, last


def read_name(value: object) -> str:
    """The name of a network, device or action: lower-case words joined by ``-``."""
    text = _text(value, "a name")
    if NAME.fullmatch(text) is None or len(text) > 24:
        raise ValueError(f"{text!r} is no name; use lower-case letters, digits and '-', at most 24")
    return text


def read_interface_name(value: object) -> str:
    """The name of an interface, as far as the kernel and its tools can carry it."""
    text = _text(value, "an interface name")
    if fault := fault_of_name(text):
        raise ValueError(f"{text!r} is no interface name: {fault}; write one such as wlan0 or eth0.100")
    return text


def read_sysctl(value: object) -> str:
    """A kernel setting of a network, such as net.ipv4.conf.all.rp_filter; all others are the whole machine's."""
    text = _text(value, "a setting such as net.ipv4.conf.all.rp_filter")
    if fault := fault_of_key(dotted(text)):
        raise ValueError(f"{text!r} is no setting of a network; {fault}")
    return dotted(text)


def read_file_name(value: object) -> str:
    """A path below the device's own folder, such as holiday/photo.raw."""
    text = _text(value, "a file's name")
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(f"{text!r} leads out of the device's folder; write one such as holiday/photo.raw")
    return text


def read_domain(value: object) -> str:
    """A name that a resolver is asked for, or ``*`` for any other."""
    text = _text(value, "a name such as bob.lan").lower()
    if text != "*" and re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,9}", text) is None:
        raise ValueError(f"{text!r} is no name of a host; write one such as bob.lan, or * for any other")
    return text


def read_image(value: object) -> str:
    """The name of an image of containers, as engines take it."""
    text = _text(value, "an image such as my-app:latest")
    if IMAGE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no image's name; write one such as my-app:latest")
    return text


def read_package(value: object) -> str:
    """Where a program comes from: a package of the system's, or of another registry's, such as pip:zeroconf."""
    text = _text(value, "a package such as avahi-utils or pip:zeroconf")
    if PACKAGE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no package; write avahi-utils, pip:zeroconf or npm:qrcode")
    return text


def as_list(value: object) -> object:
    """One value where a list is expected counts as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _text(value: object, wanted: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"{wanted} is expected here")


def _typed(reader: Any, example: str, what: str, kind: str | list[str] = "string") -> Any:
    schema = {"type": kind, "description": what, "examples": [example]}
    return BeforeValidator(reader), WithJsonSchema(schema)


Duration: TypeAlias = Annotated[float, *_typed(read_length_of_time, "3s", "With its unit: ms, s, m, h.")]
Offset: TypeAlias = Annotated[float, *_typed(read_duration, "-25h", "With its unit, and perhaps a sign.")]
Percent: TypeAlias = Annotated[float, *_typed(read_percent, "20%", "A share from 0% to 100%.")]
Rate: TypeAlias = Annotated[float, *_typed(read_rate, "64kbit", "A rate: bit, kbit, mbit or gbit a second.")]
Size: TypeAlias = Annotated[int, *_typed(read_size, "1MiB", "A size: B, kB, MB, KiB, MiB, ...")]
Prefix: TypeAlias = Annotated[str, *_typed(read_prefix, "192.168.1.0/24", "An IPv4 or IPv6 subnet.")]
Target: TypeAlias = Annotated[
    str, *_typed(read_target, "192.168.2.0/24", "A prefix, an address, default, or default6.")
]
Address: TypeAlias = Annotated[str, *_typed(read_address, "192.168.1.1", "A literal IPv4 or IPv6 address.")]
Host: TypeAlias = Annotated[
    str, *_typed(read_host, "192.168.1.10", "An address with or without its prefix length, or auto.")
]
Name: TypeAlias = Annotated[str, *_typed(read_name, "guest-wifi", "Lower-case letters, digits and '-'.")]
InterfaceName: TypeAlias = Annotated[
    str, *_typed(read_interface_name, "wlan0", f"At most {LONGEST_NAME} bytes, as Linux takes them.")
]
Mac: TypeAlias = Annotated[
    str, *_typed(read_mac, "02:00:00:00:00:01", "The hardware address of one station.")
]
Sysctl: TypeAlias = Annotated[
    str, *_typed(read_sysctl, "net.ipv4.conf.all.rp_filter", "A kernel setting of a network.")
]
FileName: TypeAlias = Annotated[
    str, *_typed(read_file_name, "photo.raw", "A path below the device's folder.")
]
DomainName: TypeAlias = Annotated[
    str, *_typed(read_domain, "bob.lan", "The name of a host, or * for any other.")
]
ImageName: TypeAlias = Annotated[str, *_typed(read_image, "my-app:latest", "An image of containers.")]
PackageName: TypeAlias = Annotated[
    str, *_typed(read_package, "avahi-utils", "A package of the system's, or pip:NAME, or npm:NAME.")
]
Flag: TypeAlias = Annotated[bool, BeforeValidator(read_flag), WithJsonSchema({"type": "boolean"})]
Count: TypeAlias = Annotated[int, BeforeValidator(read_count), WithJsonSchema({"type": "integer"})]
VlanTag: TypeAlias = Annotated[
    int, *_typed(read_tag, "20", "The number of a VLAN, or untagged.", ["integer", "string"])
]
Mtu: TypeAlias = Annotated[int, BeforeValidator(read_mtu), WithJsonSchema({"type": "integer"})]
Ports: TypeAlias = Annotated[
    tuple[int, int],
    BeforeValidator(read_ports),
    WithJsonSchema({"type": ["integer", "string"], "description": "A port or a range such as 42000-42009."}),
]
