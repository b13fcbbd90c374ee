"""What a fresh process pays: to import a library, and to get its first token from a store that is warm.

The cell starts the same small program several times and reports the median of the children's CPU time and of wall time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cells import arguments, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import median, report, wait_for_child
from cells.server import SCOPE, tenant_id

FIRST_TOKEN_MSAL = """
import os
import msal
cache = msal.SerializableTokenCache()
with open(os.environ["BENCH_CACHE"]) as file:
    cache.deserialize(file.read())
"""
FIRST_TOKEN_MSAL_EXTENSIONS = """
import os
import msal
import msal_extensions
cache = msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(os.environ["BENCH_CACHE"]))
"""
ASK_MSAL = """
app = msal.ConfidentialClientApplication(
    os.environ["BENCH_CLIENT_ID"],
    client_credential=os.environ["BENCH_CLIENT_SECRET"],
    authority=os.environ["BENCH_AUTHORITY"],
    instance_discovery=False,
    token_cache=cache,
    verify=os.environ["BENCH_CA_FILE"],
)
result = app.acquire_token_silent([os.environ["BENCH_SCOPE"]], account=app.get_accounts(os.environ["BENCH_USER"])[0])
if result["token_source"] != "cache":
    raise SystemExit("the cache was not warm")
"""
FIRST_TOKEN_PARTNERSAM = """
import os
from partnersam import PartnerApp
PartnerApp.from_env().credential(os.environ["BENCH_TENANT"]).get_token(os.environ["BENCH_SCOPE"])
"""
#: Beside the other programs that were built.
COMMAND_LINE = Path(__file__).resolve().parents[3] / "target" / "release" / "partnersam"


def python(program: str) -> list[str]:
    """A Python that sees its own site-packages and nothing of this folder."""
    return [sys.executable, "-I", "-c", program]


def time_program(arguments: Arguments, command: list[str], environment: dict[str, str] | None = None) -> None:
    """Runs the program again and again, the first time uncounted (it writes byte code and warms the page cache)."""
    environ = {**os.environ, **(environment or {})}
    cpu: list[float] = []
    wall: list[float] = []
    with Path(os.devnull).open("wb") as silent:
        for _ in range(arguments.ops + 1):
            start = time.perf_counter_ns()
            redirect = [(os.POSIX_SPAWN_DUP2, silent.fileno(), 1)]
            status, cpu_ns = wait_for_child(os.posix_spawn(command[0], command, environ, file_actions=redirect))
            wall.append(time.perf_counter_ns() - start)
            cpu.append(cpu_ns)
            if status:
                raise RuntimeError(f"the program ended with status {status}: {command[0]}")
    report(ops=arguments.ops, cpu_ns_per_op=median(cpu[1:]), wall_ns_per_op=median(wall[1:]))


def msal_environment(arguments: Arguments) -> dict[str, str]:
    """What the programs read, so that they need not parse anything."""
    server = arguments.server
    return {
        "BENCH_CACHE": str(arguments.work / "msal-1.json"),
        "BENCH_CLIENT_ID": server.client_id,
        "BENCH_CLIENT_SECRET": server.client_secret,
        "BENCH_AUTHORITY": f"{server.authority}/{tenant_id(0)}",
        "BENCH_CA_FILE": server.ca_file,
        "BENCH_SCOPE": SCOPE,
        "BENCH_USER": msal_client.username(tenant_id(0)),
    }


def bare_python(arguments: Arguments) -> None:
    """An interpreter that does nothing: what the others are measured over."""
    time_program(arguments, python("pass"))


def import_msal(arguments: Arguments) -> None:
    """`import msal`."""
    time_program(arguments, python("import msal"))


def import_msal_extensions(arguments: Arguments) -> None:
    """`import msal, msal_extensions`."""
    time_program(arguments, python("import msal, msal_extensions"))


def import_azure_identity(arguments: Arguments) -> None:
    """`import azure.identity`."""
    time_program(arguments, python("import azure.identity"))


def first_token_msal(arguments: Arguments) -> None:
    """The cache read from a file, plain text, one tenant in it. MSAL asks the server for the tenant's metadata."""
    time_program(arguments, python(FIRST_TOKEN_MSAL + ASK_MSAL), msal_environment(arguments))


def first_token_msal_extensions(arguments: Arguments) -> None:
    """The same through msal-extensions."""
    time_program(arguments, python(FIRST_TOKEN_MSAL_EXTENSIONS + ASK_MSAL), msal_environment(arguments))


def import_partnersam(arguments: Arguments) -> None:
    """`import partnersam`."""
    time_program(arguments, python("import partnersam"))


def first_token_partnersam(arguments: Arguments) -> None:
    """The token that is sealed in the store."""
    time_program(arguments, python(FIRST_TOKEN_PARTNERSAM), partnersam_environment(arguments))


def first_token_command_line(arguments: Arguments) -> None:
    """The same by the command, which starts no Python."""
    if not COMMAND_LINE.exists():
        raise SystemExit(f"command line of partnersam not built: {COMMAND_LINE}")
    command = [str(COMMAND_LINE), "token", tenant_id(0), "--for", "graph"]
    time_program(arguments, command, partnersam_environment(arguments))


def partnersam_environment(arguments: Arguments) -> dict[str, str]:
    """Its own configuration, and what the program is to ask for."""
    store = partnersam_client.stored(arguments.work, 1)
    configuration = partnersam_client.environment(arguments.server, store, partnersam_client.key_file(arguments.work))
    return {**configuration, "BENCH_TENANT": tenant_id(0), "BENCH_SCOPE": SCOPE}


if __name__ == "__main__":
    arguments.run(
        {
            "bare python": bare_python,
            "import msal": import_msal,
            "import msal+extensions": import_msal_extensions,
            "import azure-identity": import_azure_identity,
            "first token msal": first_token_msal,
            "first token msal+extensions": first_token_msal_extensions,
            "import partnersam": import_partnersam,
            "first token partnersam": first_token_partnersam,
            "first token partnersam command line": first_token_command_line,
        }
    )
