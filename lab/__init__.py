"""The lab: YAML scenarios of hostile networks, played in real containers or namespaces, and judged."""
