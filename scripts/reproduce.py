"""A published experiment, from its networks to the verdicts on its claims.

    python scripts/reproduce.py szt --quick

is ``ibjax reproduce szt --quick``; ``--help`` lists the experiments.
"""

import sys

from ibjax.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["reproduce"]
    main()
