"""`python -m reid`."""

from __future__ import annotations

import sys

from reid.cli import main

sys.exit(main(sys.argv[1:]))
