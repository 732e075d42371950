"""Policy rules as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.net.host.linux.policy_rules import PolicyRule, read_rules
from localpair.net.host.naming import describe

if TYPE_CHECKING:
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json

_TABLES: Final = {253: "default", 254: "main", 255: "local"}


def note_rules(notes: CheckNotes) -> None:
    """The policy rules beyond those that every host has."""
    try:
        rules = [rule_facts(rule) for rule in read_rules() if not rule.usual]
    except (OSError, ValueError) as error:
        notes.fact("policy_rules_not_read", describe(error))
        return
    notes.fact("policy_rules", rules)
    if rules:
        notes.say(f"{len(rules)} policy rules of others come into it")


def rule_facts(rule: PolicyRule) -> Facts:
    """One rule; what does not restrict it is left out."""
    restrictions: dict[str, Json] = {
        "not": rule.inverted or None,
        "to": None if rule.to is None else str(rule.to),
        "from": None if rule.source is None else str(rule.source),
        "in": rule.incoming,
        "out": rule.outgoing,
        "mark": None if rule.mark is None else f"{rule.mark:#x}",
        "suppresses_prefixes_up_to": rule.suppressed,
    }
    return {
        "family": rule.version,
        "priority": rule.priority,
        "table": _TABLES.get(rule.table, rule.table),
        **{name: value for name, value in restrictions.items() if value is not None},
    }
