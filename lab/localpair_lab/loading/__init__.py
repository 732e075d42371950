"""From YAML to a scenario, with every problem at its line and column."""
