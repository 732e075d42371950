"""``python -m localpair``: the command line."""

import sys

from localpair.cli import main

if __name__ == "__main__":
    sys.exit(main())
