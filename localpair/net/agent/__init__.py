"""The agent: it announces, hears, dials, listens and verifies, and hands out verified connections."""
