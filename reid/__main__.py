"""`python -m relaytrack.reid`."""

from __future__ import annotations

import sys

from relaytrack.reid.cli import main

sys.exit(main(sys.argv[1:]))
