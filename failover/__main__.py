"""``python -m failover``: the commands for operators, which are in :mod:`failover.command`."""

import sys

from failover.command import main

if __name__ == "__main__":
    sys.exit(main())
