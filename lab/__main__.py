"""``python -m lab``."""

import sys

try:
    from lab.cli.main import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] in {"lab", "localpair"}:
        raise
    said = f"error: the lab needs {missing.name}, which this Python has not"
    sys.exit(f"{said}\nhint: script/bootstrap, then .venv/bin/python -m lab")

sys.exit(main())
