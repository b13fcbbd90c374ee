"""The keyring, the browser and the processes that other tests lean on."""

from __future__ import annotations

import http.server
import os
import select
import shlex
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.browser import Browser
from harness.certificates import ServerCertificate, for_loopback
from harness.cli import Cli
from harness.keyring import Keyring
from harness.places import TESTS
from harness.process import NotReady, Process, is_running

SEARCH = [
    "/usr/bin/dbus-send",
    "--session",
    "--print-reply=literal",
    "--dest=org.freedesktop.secrets",
    "/org/freedesktop/secrets",
    "org.freedesktop.Secret.Service.ReadAlias",
    "string:default",
]


def ask(keyring: Keyring) -> tuple[int, str]:
    done = subprocess.run(
        SEARCH, env={**keyring.env, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_an_unlocked_keyring_has_a_collection_to_store_in(home: Path) -> None:
    with Keyring(home) as keyring:
        assert ask(keyring) == (0, "/org/freedesktop/secrets/collection/login")


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_bus_without_its_daemon_answers_with_an_error(home: Path) -> None:
    with Keyring(home) as keyring:
        keyring.stop_daemon()
        assert ask(keyring)[0] != 0


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_keyring_that_fell_is_there_again_and_unlocked(home: Path) -> None:
    with Keyring(home) as keyring:
        first = keyring.daemon()
        keyring.kill_daemon()
        assert ask(keyring) == (0, "/org/freedesktop/secrets/collection/login")
        assert keyring.daemon() not in (None, first)


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_keyring_leaves_no_daemon_behind(home: Path) -> None:
    with Keyring(home) as keyring:
        process = keyring.daemon()
    assert process is not None
    assert not is_running(process)


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_daemon_ends_with_its_bus_where_a_run_was_killed(home: Path) -> None:
    program = "import sys; from pathlib import Path; from harness.keyring import Keyring\n"
    program += "with Keyring(Path(sys.argv[1])) as keyring: print(keyring.daemon(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(home)], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        daemon = int(run.stdout.readline())
        assert is_running(daemon)
        run.kill()
    until = time.monotonic() + 30
    while is_running(daemon):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_a_command_runs_beside_a_keyring_and_keeps_its_home() -> None:
    script = f"{shlex.join(SEARCH)} && echo && echo $HOME $PARTNERSAM_TEST_KEYRING; exit 7"
    done = subprocess.run(
        [sys.executable, "-m", "harness.keyring", "sh", "-c", script],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7
    assert done.stdout.split() == ["/org/freedesktop/secrets/collection/login", os.environ["HOME"], "1"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, ServerCertificate]]:
    """A page over TLS whose authority nobody knows yet."""
    certificate = for_loopback(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain_file, certificate.key_file)

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>there</title>")

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}/", certificate
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.needs("chromium", "libnss3-tools")
def test_the_browser_trusts_the_authority_it_was_given_and_no_other(site: tuple[str, ServerCertificate]) -> None:
    url, certificate = site
    with Browser(certificate.ca_file) as browser:
        page = browser.page()
        page.goto(url)
        assert page.title() == "there"
    with Browser() as stranger, pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
        stranger.page().goto(url)


def test_a_program_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin"}
    process = Process("early", ["/bin/sh", "-c", "echo why >&2; exit 4"], env=env, keep="servers")
    with process, pytest.raises(NotReady, match="early ended with 4: why"):
        process.wait_for(tmp_path / "never")


def test_a_command_line_sees_nothing_of_the_callers_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "test-value")
    cli = Cli(home, {"PARTNERSAM_STORE": "memory:"}, program=("/usr/bin/env",))
    seen = dict(line.split("=", 1) for line in cli.with_env(MORE=home)().expect(0).stdout.splitlines())
    assert set(seen) == {"HOME", "PATH", "LANG", "NO_COLOR", "PARTNERSAM_LOG", "PARTNERSAM_STORE", "MORE"}
    assert seen["PARTNERSAM_LOG"] == "trace"


def test_a_command_line_gets_its_input_and_gives_its_answer(home: Path) -> None:
    answer = Cli(home, program=("/bin/sh", "-c", "cat; echo sorry >&2; exit 4"))(stdin='{"a": 1}').expect(4)
    assert (answer.json, answer.stderr) == ({"a": 1}, "sorry\n")
    with pytest.raises(AssertionError, match="exit code 4 and not 0"):
        answer.expect(0)


def test_a_program_ends_when_the_test_is_killed(tmp_path: Path) -> None:
    """Even by kill -9, where no code of ours runs any more."""
    script = f"""
import sys, time
sys.path.insert(0, {str(TESTS)!r})
from harness.process import Process
process = Process("orphan", ["/bin/sleep", "602"], env={{}}, keep="servers")
print(process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    watch = os.pidfd_open(child)
    try:
        # On a busy machine setpriv may not have come to its request yet; it has when the program is what runs.
        while Path(f"/proc/{child}/comm").read_text(encoding="ascii") != "sleep\n":
            time.sleep(0.01)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        # Readable when the program has ended.
        assert select.select([watch], [], [], 30)[0]
    finally:
        os.close(watch)
        parent.stdout.close()
