"""``python -m spanwise``: the same as the command ``spanwise``."""

import sys

from spanwise.cli import main

sys.exit(main())
