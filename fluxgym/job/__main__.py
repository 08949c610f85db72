"""The process that attends to one job: `python -m fluxgym.job <folder> <lock's handle>`, started by fluxgym.job.begin."""

import sys

from fluxgym.job.attend import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
