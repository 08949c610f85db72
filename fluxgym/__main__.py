"""FluxGym in a terminal: `python -m fluxgym demo|start|run|list|show|log|stop|resume|queue ...`; `--help` tells more."""

import sys

from fluxgym.terminal.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
