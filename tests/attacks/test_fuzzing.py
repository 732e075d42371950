"""Every parser of what a stranger can send gets inputs that are changed from valid ones; benchmarks/fuzz.py gives more.

A parser that no subject of fuzzing reaches fails a test, wherever it is written.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import random
import re
from pathlib import Path
from types import CodeType, ModuleType

import pytest

import localpair
import localpair.wire
from fuzz_machines import machine_subjects
from fuzz_wire import wire_subjects
from fuzzing import LIMIT_BYTES, Mutator, Subject, Unstable, entered, fuzz, stable
from localpair.errors import WireError

SUBJECTS = [*wire_subjects(), *machine_subjects()]
INPUTS = 300
PARSES = re.compile(r"_?(decode|parse|unwrap|unspell|words)(_\w+)?$|(read_report|read_note|kept_parts)$")
NOT_OF_STRANGERS = ("localpair.cli",)  # whose words a person types
TAKES_A_READER = re.compile(r"\breader: Reader\b")
Place = tuple[str, str, int]


def parsers_of(package: ModuleType) -> set[Place]:
    """Every function in a package, however deep, that decodes or parses, by its name, or that takes a Reader."""
    found = set()
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if info.name.endswith(".__main__") or info.name.startswith(NOT_OF_STRANGERS):
            continue
        file = importlib.import_module(info.name).__file__ or ""
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (
                PARSES.match(node.name) or TAKES_A_READER.search(ast.unparse(node.args))
            ):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                found.add((file, node.name, first))
    return found


def reached_by(subjects: list[Subject]) -> set[Place]:
    """The functions that are called for the samples of these subjects."""
    found: set[CodeType] = set()
    with entered(found):
        for subject in subjects:
            for sample in subject.samples:
                subject.take(sample)
    return {(code.co_filename, code.co_name, code.co_firstlineno) for code in found}


def test_no_parser_is_left_out() -> None:
    parsers = parsers_of(localpair)
    assert len(parsers_of(localpair.wire)) > 40, "the scan finds next to nothing"
    assert any("linux" in file for file, _, _ in parsers), "the scan does not go into packages of packages"
    assert parsers - reached_by(SUBJECTS) == set()


def test_a_parser_without_a_subject_is_found() -> None:
    without = [one for one in SUBJECTS if "Nominate" not in one.name and "handshake" not in one.name]
    left_out = {name for _, name, _ in parsers_of(localpair.wire) - reached_by(without)}
    assert "decode_message" in left_out


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: one.name)
def test_no_input_is_too_much(subject: Subject) -> None:
    outcome = fuzz(subject, INPUTS if subject.share > 0.05 else INPUTS // 10, "tests")
    assert outcome.faults == []
    assert outcome.read, "every input is refused: nothing behind the first check was tried"


# --- the tool itself


def subject(take: object, *, refuses: tuple[type[Exception], ...] = (WireError,)) -> Subject:
    return Subject("planted", take, (b"LP, a sample of some length",), refuses)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_inputs() -> None:
    made = [Mutator(random.Random(seed), SUBJECTS[0]) for seed in ("1", "1", "2")]
    one, same, other = ([mutator.next() for _ in range(50)] for mutator in made)
    assert one == same
    assert one != other


def test_another_error_than_the_documented_one_is_a_fault() -> None:
    def take(data: bytes) -> None:
        raise WireError("no") if data[:2] == b"LP" else IndexError("our own")

    outcome = fuzz(subject(take), 200, "1")
    assert outcome.refused
    assert outcome.faults
    assert all("IndexError" in one for one in outcome.faults)


def test_a_value_that_does_not_stay_what_it_is_is_a_fault() -> None:
    with pytest.raises(Unstable):
        stable(b"a", lambda value: value + b"!", lambda data: data)
    with pytest.raises(Unstable):
        stable(3, lambda value: b"", lambda data: 4)
    outcome = fuzz(subject(lambda data: stable(data, bytes.lower, bytes)), 50, "1")
    assert "read as another value" in outcome.faults[0]


def test_an_input_that_takes_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzing.LIMIT_S", 0.01)

    def take(data: bytes) -> None:
        if data[:2] != b"LP":
            sum(range(2_000_000))

    assert any("took" in one and "ms" in one for one in fuzz(subject(take), 100, "1").faults)


def test_an_input_that_takes_much_memory_is_a_fault() -> None:
    outcome = fuzz(subject(lambda data: bytes(2 * LIMIT_BYTES)), 10, "1")
    assert "of memory" in outcome.faults[0]
    assert outcome.memory > LIMIT_BYTES


def test_lengths_become_huge_and_inputs_as_long_as_they_may_be() -> None:
    made = Mutator(random.Random(1), Subject("some", len, (bytes(40),), (), limit=5000))
    inputs = [made.next() for _ in range(20_000)]
    assert max(map(len, inputs)) == 5000
    assert any(b"\xff\xff\xff\xff" in one for one in inputs)
