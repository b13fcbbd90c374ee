"""The command line, as `partnersam` and as `python -m partnersam`."""

from __future__ import annotations

import signal
import sys

from partnersam import _native


def main() -> int:
    """Runs the command with this process's arguments and returns its exit code."""
    # Python only notes a Ctrl-C and acts on it when it runs again; the command line has manners of its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native._main(["partnersam", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
