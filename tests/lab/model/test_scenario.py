"""The scenario model: no engine's word in it, a fresh schema, and scenarios that are worth keeping."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from localpair_lab.loading.cases import all_cells
from localpair_lab.loading.load import find, load
from localpair_lab.loading.schema import FILE, schema, schema_text
from localpair_lab.paths import PACKAGE, SCENARIOS

ENGINE_WORDS = re.compile(r"docker|compose|netns|veth|nft|iptables|sudo", re.IGNORECASE)
MODEL = [
    *sorted((PACKAGE / "model").glob("*.py")),
    *sorted((PACKAGE / "plan").glob("*.py")),
]


def test_the_schema_is_fresh() -> None:
    """`localpair-lab validate --schema` writes it."""
    assert FILE.read_text() == schema_text()


def test_the_schema_describes_the_short_forms_and_the_conditions() -> None:
    schema = json.loads(schema_text())
    assert "matrix" in schema["properties"]
    assert "cells" in schema["$defs"]["Expect"]["properties"]
    assert len(schema["$defs"]["Network"]["anyOf"]) == 2


@pytest.mark.parametrize("path", list(find(SCENARIOS)), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_editors_find_no_fault_with_the_scenarios(path: Path) -> None:
    import jsonschema

    content = yaml.load(path.read_text(), Loader=EditorLoader)  # noqa: S506 - our own files
    assert [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(content)] == []


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: no sexagesimal numbers, no dates."""


EditorLoader.yaml_implicit_resolvers = {
    key: [(tag, rule) for tag, rule in rules if not tag.endswith(("timestamp", ":int", ":float", ":bool"))]
    for key, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), list("tf"))


@pytest.mark.parametrize("path", MODEL, ids=lambda path: path.name)
def test_no_engine_is_named_in_the_model(path: Path) -> None:
    code = "\n".join(line for line in path.read_text().splitlines() if not line.strip().startswith("#"))
    assert not ENGINE_WORDS.findall(code)


@pytest.mark.parametrize("path", list(find(SCENARIOS)), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_scenario_has_a_sentence_and_a_public_thread(path: Path) -> None:
    for cell in load(path).cells:
        assert cell.scenario.summary.endswith(".")
        assert cell.scenario.references or "found" in cell.scenario.markers
        assert cell.scenario.markers


def test_titles_are_unique() -> None:
    titles = [cell.title for cell in all_cells()]
    assert len(titles) == len(set(titles))


def test_the_page_of_field_failures_names_scenarios_that_exist() -> None:
    page = (PACKAGE.parents[1] / "docs" / "field-failures.md").read_text()
    named = set(re.findall(r"`([a-z0-9]+/[a-z0-9-]+)`", page)) - {"lab/scenarios"}
    there = {str(path.relative_to(SCENARIOS).with_suffix("")) for path in find(SCENARIOS)}
    assert len(named) > 90
    assert named - there == set()
