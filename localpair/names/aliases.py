"""Two words for an instance, so that two people can tell nearby devices apart without either sending its name.

The words are made of the per-process nonce: both screens show the same ones, and they change at every start.
"""

import hashlib

_FIRST = """
amber brave calm daring eager fair gentle happy ivory jolly keen lively mellow noble olive proud
quick royal silver tidy upbeat vivid warm young azure bold crisp deep early fresh golden honest
ideal jade kind lucky merry neat open plain quiet rapid sunny true urban vast wise yellow alert
bright clever dusty fluent green hardy iron light misty north pale ready sharp steady white
""".split()  # noqa: SIM905 - a list of words reads as words
_SECOND = """
apple badger cedar dolphin eagle falcon garden harbour island jaguar kettle lantern maple nectar
otter panda quartz river salmon tiger umbrella valley walnut yacht zebra anchor breeze canyon desert
ember forest glacier heron indigo jungle kiwi lemon meadow needle ocean pepper quill rocket saddle
temple unicorn violin willow yarrow acorn beacon copper dragon engine feather granite hazel insect
jasmine koala lotus marble oyster puffin
""".split()  # noqa: SIM905 - a list of words reads as words


def alias(instance: bytes) -> str:
    """The alias of an instance, such as ``calm-otter``. Not unique: a help for the eye, never an identity."""
    number = int.from_bytes(hashlib.sha256(b"localpair alias" + instance).digest()[:8], "big")
    first, second = number % len(_FIRST), number // len(_FIRST) % len(_SECOND)
    return f"{_FIRST[first]}-{_SECOND[second]}"
