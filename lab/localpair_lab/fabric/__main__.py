"""``python -m localpair_lab.fabric serve SOCKET [STEPS]``: the fabric of Compose.

``join SOCKET NODE``: a device that waits for it.
``ask SOCKET``: requests on stdin, answers on stdout, one JSON object a line. ``captures FOLDER``: its captures so far
as a tar archive on stdout.
"""

from __future__ import annotations

import sys

from localpair_lab.fabric.server import container

if __name__ == "__main__":
    sys.exit(container.main(sys.argv[1], sys.argv[2:]))
