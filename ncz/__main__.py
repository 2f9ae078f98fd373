"""``python -m ncz``: the command, where the script ``ncz`` is not on the path."""

import sys

from ncz.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
