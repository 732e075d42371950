"""From a scenario to a plan, a subject at a time."""
