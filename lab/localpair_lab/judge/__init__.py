"""What was seen against what was expected: events, packets, traffic, invariants; and the verdict."""
