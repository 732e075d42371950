"""The fabric's programs for containers: ``python -I -S __main__.py WORD ...``.

``serve SOCKET [guest]``: the fabric of Compose, with its door for devices at SOCKET.
``join SOCKET NODE``: a device that waits for it.
``ask``: requests on stdin, answers on stdout, one JSON object a line. ``captures FOLDER``: its captures so far
as a tar archive on stdout. ``follow FOLDER PORT``: one of them while it grows.

``-I``: no variable of the environment and no package beside the lab has a say in what is run here.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the program that the first word names."""
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from localpair_lab.fabric.server import container

    return container.main(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
