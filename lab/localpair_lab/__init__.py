"""The lab: YAML scenarios of hostile networks, played in real containers or namespaces, and judged."""

__version__ = "0.1.0"
