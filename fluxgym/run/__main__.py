"""The process that guards one run: `python -m fluxgym.run <folder>`, started detached by fluxgym.run.launch."""

import sys

from fluxgym.run.supervise import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
