"""The command line that all cells share: `python -m cells.FAMILY --contender NAME --ready-file F --work DIR ...`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cells.server import Server


@dataclass(frozen=True)
class Arguments:
    """What a cell is to do."""

    server: Server
    work: Path
    tenants: int
    ops: int


def run(contenders: Mapping[str, Callable[[Arguments], None]]) -> None:
    """Runs the contender that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contender", choices=sorted(contenders), required=True)
    parser.add_argument("--ready-file", type=Path, required=True, help="what the token server wrote")
    parser.add_argument("--work", type=Path, required=True, help="folder of this run: filled stores are there")
    parser.add_argument("--tenants", type=int, default=1)
    parser.add_argument("--ops", type=int, default=100)
    options = parser.parse_args()
    server = Server.from_ready_file(options.ready_file)
    contenders[options.contender](Arguments(server, options.work, options.tenants, options.ops))
