"""An app that was open when the process forked works in the parent and in the child, whatever other threads were doing."""

from __future__ import annotations

from pathlib import Path

import pytest
from python.partner import answer, consent, environment, open_app, redemptions

from harness.emulator import Emulator
from harness.keyring import Keyring
from partnersam import PartnerApp

FORKS = """
import json, os, signal, threading, traceback
from partnersam import PartnerApp, PartnerSamError
scope = "https://graph.microsoft.com/.default"
app = PartnerApp.from_env()
credential = app.credential("fabrikam.com")
first = credential.get_token(scope)
stop = threading.Event()

def busy(customer):
    # Something is always under way: hot tokens, store reads, redemptions.
    own = app.credential("fabrikam.com", customer)
    while not stop.is_set():
        own.get_token(scope)
        app.grants()
        app.token("fabrikam.com", "arm", customer, fresh=True)

threads = [threading.Thread(target=busy, args=(customer,)) for customer in ("contoso.com", "tailspin.example", None, "adatum.example")]
for thread in threads:
    thread.start()
bad = []
for _ in range(int(os.environ["ROUNDS"])):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            assert credential.get_token(scope).token == first.token
            assert app.grants()[0].state == "active"
            assert app.token("fabrikam.com", "graph", "contoso.com").tenant
            app.token("fabrikam.com", "arm", "contoso.com", fresh=True)
            app.close()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status:
        bad.append(status)
        break
stop.set()
for thread in threads:
    thread.join()
assert credential.get_token(scope).token == first.token
app.renew("fabrikam.com")
print(json.dumps(bad))
"""


@pytest.mark.soak(40)
def test_forks_in_the_midst_of_calls(emulator: Emulator, home: Path, rounds: int) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    assert answer("forks", FORKS, {**environment(emulator, home), "ROUNDS": str(rounds)}, home) == []
    with open_app(emulator, home) as app:
        assert app.grant("fabrikam.com").state == "active"


MULTIPROCESSING = """
import json, multiprocessing, os
from partnersam import PartnerApp
app = PartnerApp.from_env()
credential = app.credential("fabrikam.com", "contoso.com")
scope = "https://graph.microsoft.com/.default"
credential.get_token(scope)

def ask(number):
    return os.getpid(), credential.get_token(scope).token, app.token("fabrikam.com", "graph", "contoso.com").token, len(app.grants())

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        answers = pool.map(ask, range(40), chunksize=1)
    own = credential.get_token(scope).token
    assert {tuple(each[1:]) for each in answers} == {(own, own, 1)}
    assert os.getpid() not in {each[0] for each in answers}
    print(json.dumps("ok"))
"""


def test_multiprocessing_by_fork_asks_for_no_token_again(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    before = redemptions(emulator)
    assert answer("pool", MULTIPROCESSING, environment(emulator, home), home) == "ok"
    assert redemptions(emulator) == before + 1


OUTLIVES = """
import json, os, subprocess, sys
from partnersam import PartnerApp
app = PartnerApp.from_env()
app.renew("fabrikam.com")
done, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    app.renew("fabrikam.com")
    os.write(done[1], b"r")
    os.read(go[0], 1)
    app.renew("fabrikam.com")
    os.write(done[1], b"%d" % app.grant("fabrikam.com").generation)
    os.read(go[0], 1)
    os._exit(0)
os.read(done[0], 1)
app.grants()
app.close()
os.write(go[1], b"g")
childs = int(os.read(done[0], 10))
# The child still lives. What it was told is saved must be there for everybody.
look = "from partnersam import PartnerApp; print(PartnerApp.from_env().grant('fabrikam.com').generation)"
others = int(subprocess.run([sys.executable, "-c", look], capture_output=True, check=True).stdout)
os.write(go[1], b"g")
os.waitpid(child, 0)
print(json.dumps([childs, others]))
"""


def test_what_a_child_saves_is_there_although_its_parent_has_closed(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    childs, others = answer("outlives", OUTLIVES, environment(emulator, home), home)
    assert others == childs


KEYRING = """
import json, os, signal
from partnersam import PartnerApp
app = PartnerApp.from_env()
app.token("fabrikam.com", "graph")
ends = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        app.token("fabrikam.com", "graph", "contoso.com")
        app.renew("fabrikam.com")
        os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
app.renew("fabrikam.com")
print(json.dumps(ends))
"""


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_child_has_the_key_that_the_keyring_gave_its_parent(
    emulator: Emulator, home: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {name: value for name, value in environment(emulator, home).items() if name != "PARTNERSAM_KEY_FILE"}
    for name, value in {**env, **keyring.env}.items():
        monkeypatch.setenv(name, value)
    with PartnerApp.from_env() as app:
        consent(emulator, app)
    assert answer("keyring", KEYRING, {**env, **keyring.env}, home) == [0] * 5


IN_MEMORY = """
import json, os
from partnersam import CallerError, PartnerApp
app = PartnerApp.from_dict({"store": "memory:"})
assert app.grants() == []
read, write = os.pipe()
if os.fork() == 0:
    try:
        app.grants()
    except CallerError as error:
        os.write(write, error.id.encode())
    os._exit(0)
os.wait()
print(json.dumps(os.read(read, 100).decode()))
"""


def test_a_store_in_memory_is_not_the_childs(emulator: Emulator, home: Path) -> None:
    env = {name: value for name, value in environment(emulator, home).items() if name != "PARTNERSAM_STORE"}
    assert answer("in-memory", IN_MEMORY, env, home) == "ForkedHandle"


@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)", "raise SystemExit"])
def test_a_process_ends_with_its_app_open_and_a_call_under_way(emulator: Emulator, home: Path, end: str) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    emulator.control(delay_ms=600, path="token")
    text = f"""
import json, os, sys, threading, time
from partnersam import PartnerApp
app = PartnerApp.from_env()
threading.Thread(target=app.token, args=("fabrikam.com", "arm", "contoso.com"), daemon=True).start()
time.sleep(0.3)
print(json.dumps("ends"), flush=True)
{end}
"""
    assert answer("ends", text, environment(emulator, home), home) == "ends"
