"""`python -m petrichor` and the `petrichor` command."""

import os
import sys

# Before numpy is imported: its BLAS would start a thread for each core, whose waiting is a busy loop.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from petrichor.command_line import main

if __name__ == "__main__":  # renderer processes import this module again under another name
    sys.exit(main())
