"""The words that a scenario may hold: markers, verdicts, causes, phrases, variables."""
