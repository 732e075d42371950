"""The scenario as it is written: what each key of the YAML means, as pydantic models."""
