"""Which names of interfaces can be carried, and how the settings of the kernel that hold such names are written."""

from __future__ import annotations

import pytest
from localpair_lab.fabric import steps
from localpair_lab.model.kernel_names import dotted, fault_of_key, fault_of_name, interface_of, key_of

CARRIED = (
    "eth0.100",
    "br-0a1b2c3d4e5f",
    "-x",
    "4g",
    "up",
    "o'lan",
    "$x",
    "a;b",
    "eth0@if5",
    "ünïcode",
    "日本語",
)


@pytest.mark.parametrize("name", CARRIED)
def test_a_name_that_the_kernel_and_its_tools_carry_is_fit_and_so_is_its_setting(name: str) -> None:
    assert fault_of_name(name) == ""
    key = key_of("ipv4", name, "rp_filter")
    assert fault_of_key(key) == ""
    assert interface_of(key) == name
    path = steps.Sysctl("bob", key, "1").path
    assert path == f"net/ipv4/conf/{name}/rp_filter"
    assert dotted(path) == key


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("1234567890123456", "it has 16 bytes, and the kernel takes 15"),
        ("日本語日本語", "it has 18 bytes"),
        ("all", "the settings of every interface"),
        ("default", "the settings of new interfaces"),
        ("lo", "which every machine has already"),
        ("sit0", "make it by themselves"),
        ("a b", "it holds a blank"),
        ("voil\u00e0", "with the byte A0"),  # C3 A0 in UTF-8, and A0 is a blank of Latin-1
        ("a\u202eb", "a letter that shows nothing"),
        ("a/b", "takes it for a folder"),
        ("a:b", "takes it for an alias"),
        ("a%d", "puts a number in its place"),
        ('a"b', "packet filters end a name with it"),
        ("a*", "packet filters take it for a pattern"),
        ("a=b", "for the value"),
        (".a", "a dot at an end"),
        ("a..b", "two in a row"),
    ],
)
def test_a_name_that_something_reads_otherwise_is_told_with_its_reason(name: str, told: str) -> None:
    assert told in fault_of_name(name)


def test_settings_of_all_interfaces_belong_to_none() -> None:
    for key in ("net.ipv4.conf.all.rp_filter", "net.ipv4.ip_forward", "net.ipv6.neigh.default.gc_thresh1"):
        assert fault_of_key(key) == ""
        assert interface_of(key) == ""
