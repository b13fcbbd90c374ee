"""What is measured: every cell of every measure, how often, and the targets that the figures stand beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["cpu", "wall", "open", "exchanges", "signatures", "bytes", "growth"]

#: The key of a cell's JSON that a unit is read from.
FIGURE = {
    "cpu": "cpu_ns_per_op",
    "wall": "wall_ns_per_op",
    "open": "open_ns",
    "exchanges": "exchanges",
    "signatures": "signatures",
    "bytes": "bytes_per_tenant",
    "growth": "growth_bytes",
}


@dataclass(frozen=True)
class Size:
    """How much a run does."""

    rounds: int
    #: Rounds of measures whose incumbent takes half a minute and more.
    slow_rounds: int
    #: Tenants of bulk renewal and of memory, where the cost of each tenant is what is compared.
    many: int
    #: Multiplies the operations of each cell.
    ops: int
    starts: int
    azure_many: bool


QUICK = Size(rounds=3, slow_rounds=3, many=1_000, ops=1, starts=10, azure_many=False)
FULL = Size(rounds=7, slow_rounds=3, many=10_000, ops=3, starts=20, azure_many=True)

#: Tenants in the store where the size of the store is what is compared, quick or full.
STORED = 10_000
#: Grants in a store as a fleet has it.
FLEET = 100_000
#: Grants renewed at a server that answers after so many milliseconds.
PACED = 10_000
DELAY_MS = 100
#: Requests that the command keeps at the server.
AT_SERVER = 64
#: What one of them takes at least.
PACE_NS = DELAY_MS * 1e6 / AT_SERVER
BARE_PACED = f"bare Rust client, {AT_SERVER} in flight"
#: With its store in memory, as MSAL has its cache there: like beside like.
IN_MEMORY = "partnersam, in memory"
ONE, MANY = "1 grant", f"{FLEET:,} grants"


@dataclass(frozen=True)
class Cell:
    """One contender: a cell of a family in Python, or a program of its own."""

    contender: str
    #: `cells.FAMILY`, or `bench-bare`.
    program: str
    options: dict[str, int] = field(default_factory=dict)
    #: The name that the family knows it by, where that is another.
    called: str | None = None
    #: Needs PostgreSQL.
    database: bool = False


@dataclass(frozen=True)
class Measure:
    """Cells that are run in turn and compared with each other."""

    key: str
    title: str
    cells: list[Cell]
    unit: Unit = "cpu"
    #: The contender that ratios are against.
    incumbent: str = "msal"
    #: The contender whose figure is taken off every other one's.
    over: str | None = None
    slow: bool = False


@dataclass(frozen=True)
class Target:
    """What partnersam is to reach: its own figure, or its ratio to another one's."""

    text: str
    measure: str
    at_most: float | None = None
    #: Another contender, or another measure's partnersam, that the figure is divided by.
    against: tuple[str, str] | None = None
    #: The other one's figure divided by ours, instead.
    times_less: float | None = None
    contender: str = "partnersam"
    #: Where it is not the measure's own.
    unit: Unit | None = None


def measures(size: Size) -> list[Measure]:
    """All measures of a run."""
    return [
        hot("hot-1", 1, size),
        hot(f"hot-{STORED}", STORED, size),
        Measure(
            "refresh",
            "refresh exchange",
            [
                Cell("bare Rust client", "bench-bare", {"ops": 3000 * size.ops}),
                Cell("bare Rust client, HTTP/1.1", "bench-bare", {"ops": 3000 * size.ops, "http1": 1}),
                Cell("msal", "cells.refresh", {"ops": 300 * size.ops}),
                Cell("azure-identity", "cells.refresh", {"ops": 300 * size.ops}),
                Cell("partnersam", "cells.refresh", {"ops": 2000 * size.ops}),
            ],
        ),
        signing("signing", "refresh exchange proved by a certificate", "cpu", size),
        signing("signatures", "signatures for all of those exchanges", "signatures", size),
        Measure(
            "bulk",
            f"bulk renewal of {size.many:,} tenants, each",
            [
                Cell(
                    "bare Rust client, 32 in flight",
                    "bench-bare",
                    {"ops": size.many, "tenants": size.many, "concurrent": 32},
                ),
                Cell("msal", "cells.bulk", {"tenants": size.many}),
                Cell("msal, session shared", "cells.bulk", {"tenants": size.many}),
                Cell(IN_MEMORY, "cells.bulk", {"tenants": size.many}),
                Cell("partnersam", "cells.bulk", {"tenants": size.many}),
            ],
            slow=True,
        ),
        Measure(
            "paced",
            f"renewal of {PACED:,} grants at a server that takes {DELAY_MS} ms, each",
            [
                Cell(BARE_PACED, "cells.paced", {"tenants": PACED}, called="bare"),
                Cell("partnersam", "cells.paced", {"tenants": PACED}),
            ],
            unit="wall",
            incumbent=BARE_PACED,
            slow=True,
        ),
        rotation("rotation-1", 1, size),
        rotation(f"rotation-{STORED}", STORED, size),
        stored("sqlite", "SQLite"),
        stored("postgres", "PostgreSQL"),
        Measure(
            "open",
            f"first read of a store of {FLEET:,} grants",
            [
                Cell("SQLite", "cells.stores", {"tenants": FLEET, "ops": 1}, called="sqlite"),
                Cell("PostgreSQL", "cells.stores", {"tenants": FLEET, "ops": 1}, called="postgres", database=True),
            ],
            unit="open",
            incumbent="SQLite",
        ),
        Measure(
            "stampede",
            "64 threads, one missing token: exchanges",
            [
                Cell("msal", "cells.stampede"),
                Cell("azure-identity", "cells.stampede"),
                Cell("partnersam", "cells.stampede"),
            ],
            unit="exchanges",
        ),
        Measure(
            "memory-cached",
            f"memory of each of {size.many:,} tenants, cached",
            [
                Cell("msal", "cells.memory", {"tenants": size.many}),
                Cell("msal, cache only", "cells.memory", {"tenants": size.many}),
                Cell("azure-identity", "cells.memory", {"tenants": min(size.many, 1_000)}),
                Cell("partnersam", "cells.memory", {"tenants": size.many}),
            ],
            unit="bytes",
            slow=True,
        ),
        Measure(
            "memory-idle",
            f"memory of each of {STORED:,} tenants, idle",
            [
                Cell("msal+extensions", "cells.memory", {"tenants": STORED}),
                Cell("partnersam", "cells.memory", {"tenants": STORED}, called="partnersam, idle"),
            ],
            unit="bytes",
            incumbent="msal+extensions",
            slow=True,
        ),
        Measure(
            "customers",
            "plan over 1,000 customers, each",
            [Cell("partnersam", "cells.customers", {"tenants": 1_000})],
            incumbent="partnersam",
            slow=True,
        ),
        startup("import", "import, over bare Python", "import", size),
        startup("first-token", "process start to first token, over bare Python", "first token", size),
        Measure(
            "first-token-cli",
            "process start to first token, command line, in all",
            [Cell("partnersam", "cells.startup", {"ops": size.starts}, called="first token partnersam command line")],
            incumbent="partnersam",
        ),
    ]


def hot(key: str, tenants: int, size: Size) -> Measure:
    """A hot token with so many tenants in the cache."""
    slow = {"tenants": tenants, "ops": 5000 * size.ops if tenants == 1 else 60 * size.ops}
    fast = {"tenants": tenants, "ops": 20_000 * size.ops}
    cells = [
        Cell("msal", "cells.hot", slow),
        Cell("msal+extensions", "cells.hot", slow),
        Cell("msal, account looked up", "cells.hot", slow),
        Cell("msal, scopes as echoed", "cells.hot", slow),
        Cell("partnersam", "cells.hot", {"tenants": tenants, "ops": 300_000 * size.ops}),
    ]
    if tenants == 1 or size.azure_many:
        cells.insert(-1, Cell("azure-identity", "cells.hot", fast))
    return Measure(key, f"hot token, {tenants_text(tenants)}", cells, slow=tenants > 1)


def signing(key: str, title: str, unit: Unit, size: Size) -> Measure:
    """Exchanges of an app with a certificate: what each costs, or how often the key signed for all of them."""
    cells = [
        Cell("msal", "cells.signing", {"ops": 300 * size.ops}),
        Cell("partnersam", "cells.signing", {"ops": 2000 * size.ops}),
    ]
    return Measure(key, title, cells, unit=unit)


def rotation(key: str, tenants: int, size: Size) -> Measure:
    """One durable rotation with so many tenants in the store."""
    few = {"tenants": tenants, "ops": 100 * size.ops if tenants == 1 else 2 * size.ops}
    return Measure(
        key,
        f"durable rotation, {tenants_text(tenants)} stored",
        [
            Cell("msal+extensions", "cells.rotation", few),
            Cell("msal, file", "cells.rotation", few),
            Cell("partnersam", "cells.rotation", {"tenants": tenants, "ops": 300 * size.ops}),
        ],
        incumbent="msal+extensions",
        slow=tenants > 1,
    )


def stored(kind: str, name: str) -> Measure:
    """One rotation of the core alone in a store with one grant and in a fleet's: wall time, for what counts is the wait for disk and server."""
    cells = [
        Cell(label, "cells.stores", {"tenants": grants, "ops": 500}, called=kind, database=kind == "postgres")
        for label, grants in ((ONE, 1), (MANY, FLEET))
    ]
    return Measure(f"stored-{kind}", f"rotation on {name}", cells, unit="wall", incumbent=ONE, slow=True)


def startup(key: str, title: str, what: str, size: Size) -> Measure:
    """A fresh process; what bare Python costs is taken off."""
    contenders = ["msal", "msal+extensions", "partnersam"]
    if what == "import":
        contenders.insert(2, "azure-identity")
    options = {"ops": size.starts}
    cells = [Cell("bare python", "cells.startup", options)]
    cells += [Cell(name, "cells.startup", options, called=f"{what} {name}") for name in contenders]
    return Measure(key, title, cells, over="bare python")


def tenants_text(tenants: int) -> str:
    """`1 tenant`, `10,000 tenants`."""
    return f"{tenants:,} tenant{'s' if tenants > 1 else ''}"


TARGETS = [
    Target("≤ 0.4 µs", "hot-1", at_most=400),
    Target("≤ 0.4 µs", f"hot-{STORED}", at_most=400),
    Target("≤ 1.5 x the bare client", "refresh", at_most=1.5, against=("refresh", "bare Rust client")),
    Target("1 signature", "signatures", at_most=1),
    Target("≥ 100 x less than msal", "bulk", times_less=100, against=("bulk", "msal"), contender=IN_MEMORY),
    Target(
        "flat: ≤ 1.25 x that with one tenant", f"rotation-{STORED}", at_most=1.25, against=("rotation-1", "partnersam")
    ),
    Target(
        "≥ 500 x less than msal+extensions",
        f"rotation-{STORED}",
        times_less=500,
        against=(f"rotation-{STORED}", "msal+extensions"),
    ),
    Target("the server's pace: ≤ 1.05 x the bare client", "paced", at_most=1.05, against=("paced", BARE_PACED)),
    Target("≤ 10 % of the server's pace in CPU", "paced", at_most=0.1 * PACE_NS, unit="cpu"),
    Target("≤ 8 MiB more at its peak than for one grant", "paced", at_most=8 * 2**20, unit="growth"),
    Target(
        "flat: ≤ 1.25 x that with one", "stored-sqlite", at_most=1.25, against=("stored-sqlite", ONE), contender=MANY
    ),
    Target(
        "flat: ≤ 1.25 x that with one",
        "stored-postgres",
        at_most=1.25,
        against=("stored-postgres", ONE),
        contender=MANY,
    ),
    Target("≤ 50 ms", "open", at_most=50e6, contender="SQLite"),
    Target("≤ 50 ms", "open", at_most=50e6, contender="PostgreSQL"),
    Target("1 exchange", "stampede", at_most=1),
    Target("≤ 4 KiB", "memory-cached", at_most=4096),
    Target("≤ 1 KiB", "memory-idle", at_most=1024),
    Target("≤ 10 ms", "import", at_most=10e6),
    Target("≤ 25 ms", "first-token", at_most=25e6),
    Target("≤ 15 ms", "first-token-cli", at_most=15e6),
]
