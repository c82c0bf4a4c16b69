"""`python -m petrichor` is the `petrichor` command."""

import sys

from petrichor.command_line import main

if __name__ == "__main__":  # renderer processes import this module again under another name
    sys.exit(main())
