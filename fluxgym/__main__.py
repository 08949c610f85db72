"""FluxGym in a terminal: `python -m fluxgym demo|start|list|show|log|stop|resume`; `--help` tells more."""

import sys

from fluxgym.terminal import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
