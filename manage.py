#!/usr/bin/env python3
"""The one door to every command of Rally: demo, test, servers and all of Django's. Needs nothing but Python."""

import os
import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit("Rally needs Python 3.11 or newer, and this is %d.%d." % sys.version_info[:2])
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from rally.launcher.main import main

    sys.exit(main(sys.argv))
