"""What the kernel and its tools can carry: names of interfaces, and the settings that such names are a part of.

A setting is written as sysctl(8) writes it: dots between its parts, and a slash for a dot within one
(``net.ipv4.conf.eth0/100.rp_filter`` is that of eth0.100).
"""

from __future__ import annotations

from typing import Final

LONGEST_NAME: Final = 15  # bytes; IFNAMSIZ, less the zero byte
_BLANKS: Final = b"\t\n\v\f\r \xa0"  # isspace() of the kernel, which looks at bytes and not at letters
_FOREIGN: Final = {
    "/": "the kernel takes it for a folder",
    ":": "the kernel takes it for an alias",
    "%": "the kernel puts a number in its place",
    '"': "packet filters end a name with it",
    "*": "packet filters take it for a pattern",
    "\\": "packet filters take it for a pattern",
    "=": "sysctl takes what follows for the value",
}
_TAKEN: Final = {
    "all": "the kernel keeps it for the settings of every interface",
    "default": "the kernel keeps it for the settings of new interfaces",
    "lo": "it is the loopback interface, which every machine has already",
    "bonding_masters": "the kernel keeps it for a file of its own",
    **dict.fromkeys(
        ("erspan0", "gre0", "gretap0", "ip6_vti0", "ip6gre0", "ip6tnl0", "ip_vti0", "sit0", "tunl0"),
        "kernels with such tunnels make it by themselves",
    ),
}
_SWAPPED: Final = str.maketrans("./", "/.")
_PER_INTERFACE: Final = ("conf", "neigh")


def fault_of_name(name: str) -> str:
    """Why ``name`` cannot be that of an interface, as a sentence; empty where it can."""
    size = len(name.encode(errors="replace"))
    if size > LONGEST_NAME:
        return f"it has {size} bytes, and the kernel takes {LONGEST_NAME}"
    if name in _TAKEN:
        return _TAKEN[name]
    if set(name.encode(errors="replace")) & set(_BLANKS):
        return "it holds a blank, or a letter with the byte A0, which is one to the kernel"
    if not name.isprintable():
        return "it holds a letter that shows nothing"
    for letter, why in _FOREIGN.items():
        if letter in name:
            return f"it holds {letter!r}, and {why}"
    if not all(name.split(".")):
        return "sysctl finds no name with a dot at an end, or with two in a row"
    return ""


def dotted(key: str) -> str:
    """The setting in its one form, which may be written as a path, too: ``net/ipv4/conf/eth0.100/rp_filter``."""
    separator = next((letter for letter in key if letter in "./"), "")
    return key.translate(_SWAPPED) if separator == "/" else key


def key_of(family: str, interface: str, setting: str) -> str:
    """The setting of one interface; ``all`` and ``default`` are words for several."""
    return f"net.{family}.conf.{interface.replace('.', '/')}.{setting}"


def interface_of(key: str) -> str:
    """The interface of which ``key`` is a setting; empty for all others, ``all`` and ``default`` included."""
    parts = key.split(".")
    named = len(parts) == 5 and parts[2] in _PER_INTERFACE and parts[3] not in ("all", "default")
    return parts[3].replace("/", ".") if named else ""


def fault_of_key(key: str) -> str:
    """Why ``key`` cannot be a setting of a network, as a sentence; empty where it can."""
    parts = key.split(".")
    if len(parts) < 3 or parts[0] != "net" or not all(parts):
        return "write one such as net.ipv4.conf.all.rp_filter"
    if len(parts) > 5 and parts[2] in _PER_INTERFACE:
        meant = ".".join((*parts[:3], "/".join(parts[3:-1]), parts[-1]))
        return f"a dot that is part of a name is written as a slash: {meant}"
    plain = parts if interface_of(key) == "" else (*parts[:3], parts[4])
    if not all(part.replace("-", "_").isidentifier() for part in plain):
        return "write one such as net.ipv4.conf.all.rp_filter"
    return fault_of_name(interface_of(key)) if interface_of(key) else ""
