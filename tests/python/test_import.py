"""What `import partnersam` brings along, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
before = set(sys.modules)
import partnersam
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def run(text: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_brings_nothing_but_itself() -> None:
    brought = json.loads(run(PROGRAM))
    own = {name for name in brought if name.split(".")[0] == "partnersam"}
    assert own == {"partnersam", "partnersam._native", "partnersam.exceptions"}
    assert set(brought) - own <= {"atexit", "__future__"}


def test_the_twin_is_a_module_of_its_own() -> None:
    assert (
        run(
            "import sys, partnersam\nassert 'asyncio' not in sys.modules\nimport partnersam.aio\nprint('asyncio' in sys.modules)"
        )
        == "True\n"
    )


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    import partnersam
    import partnersam.aio

    for module in (partnersam, partnersam.aio):
        for name in module.__all__:
            thing = getattr(module, name)
            assert thing.__doc__, name
            if isinstance(thing, type):
                assert thing.__module__ in ("partnersam", "partnersam.aio", "partnersam.exceptions"), name
    assert {name for name in vars(partnersam.PartnerApp) if not name.startswith("_")} == {
        name for name in vars(partnersam.aio.PartnerApp) if not name.startswith("_")
    }
    assert {name for name in vars(partnersam.Credential) if not name.startswith("_")} == {
        name for name in vars(partnersam.aio.Credential) if not name.startswith("_")
    }
