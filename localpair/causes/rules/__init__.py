"""The rules: what each asks of facts, and what it concludes."""
