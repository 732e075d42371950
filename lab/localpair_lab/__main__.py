"""``localpair-lab``, also as ``python -m localpair_lab``."""

import sys


def main() -> int:
    """Run the command line. A library that is missing is named, with what installs it."""
    try:
        from localpair_lab.cli.main import main as run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in {"localpair_lab", "localpair"}:
            raise
        sys.stderr.write(f"error: the lab needs {missing.name}, which this Python has not\n")
        sys.stderr.write("hint: pip install localpair-lab; in a clone: script/bootstrap\n")
        return 1
    return run()


if __name__ == "__main__":
    sys.exit(main())
