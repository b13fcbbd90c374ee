"""`partnersam run`: the token is in the command's environment and nowhere else, and the command is all that is left."""

from __future__ import annotations

import base64
import re
import signal
import sys
from pathlib import Path

import pytest
from cli.consents import until

from harness.cli import Cli
from harness.emulator import Emulator

NAMES = r"PARTNERSAM_(TOKEN_\w+|ACCESS_TOKEN|EXPIRES_ON)"


def names(printed: str) -> set[str]:
    return {line.partition("=")[0] for line in printed.splitlines() if re.match(NAMES, line)}


def only_names(*command: str) -> tuple[str, ...]:
    """The command's environment without its values, for the output is kept."""
    return ("run", *command, "--", "/bin/sh", "-c", "env | sed -n 's/^\\(PARTNERSAM_[A-Z_]*\\)=.*/\\1=/p'")


def test_one_audience_has_the_general_name_too(stored: Cli) -> None:
    answer = stored(*only_names("--for", "graph")).expect()
    assert names(answer.stdout) == {"PARTNERSAM_TOKEN_GRAPH", "PARTNERSAM_ACCESS_TOKEN", "PARTNERSAM_EXPIRES_ON"}


def test_several_audiences_have_their_own_names(stored: Cli) -> None:
    answer = stored(*only_names("--for", "partner-center,graph", "--partner", "fabrikam.com")).expect()
    assert names(answer.stdout) == {"PARTNERSAM_TOKEN_GRAPH", "PARTNERSAM_TOKEN_PARTNER_CENTER"}


def test_the_token_is_the_one_that_token_prints(stored: Cli) -> None:
    token = stored("token", "--for", "graph", "--customer", "contoso.com").expect().stdout
    run = ("run", "--for", "graph", "--customer", "contoso.com", "--", "printenv", "PARTNERSAM_ACCESS_TOKEN")
    assert stored(*run).expect().stdout == token


def test_the_app_s_own_secret_is_not_handed_on(stored: Cli, emulator: Emulator) -> None:
    secret = emulator.app()["client_secret"]
    answer = stored.with_env(PARTNERSAM_CLIENT_SECRET=secret)(*only_names("--for", "graph")).expect()
    assert "PARTNERSAM_KEY_FILE=" in answer.stdout
    assert "PARTNERSAM_CLIENT_SECRET" not in answer.stdout


def test_the_exit_code_is_the_command_s(stored: Cli) -> None:
    stored("run", "--for", "graph", "--", "/bin/sh", "-c", "exit 42").expect(42)


def test_a_signal_reaches_the_command(stored: Cli, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with stored.start("run", "--for", "graph", "--", sys.executable, script) as process:
        until(process, lambda: process.stdout)
        process.signal(signal.SIGTERM)
        assert process.wait(30) == 7


def test_nothing_is_left_between_the_caller_and_the_command(stored: Cli) -> None:
    """The command has the process id that we had, and no command line of ours stays behind."""
    with stored.start("run", "--for", "graph", "--", "/bin/sh", "-c", "echo $$; read line") as process:
        assert int(until(process, lambda: process.stdout)) == process.pid


def test_the_token_is_in_no_command_line(stored: Cli) -> None:
    answer = stored("run", "--for", "graph", "--", "/bin/cat", "/proc/self/cmdline").expect()
    assert answer.stdout == "/bin/cat\0/proc/self/cmdline\0"


def test_ctrl_c_ends_the_command_as_always(stored: Cli) -> None:
    with stored.start("run", "--for", "graph", "--", "/bin/sleep", "600") as process:
        until(process, lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes() and "ran")
        comm = Path(f"/proc/{process.pid}/comm")
        until(process, lambda: comm.read_text().strip() == "sleep" and "ran")
        process.signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT


@pytest.mark.parametrize(
    ("command", "code", "said"), [("/no/such/program", 127, "is not found"), ("/etc/passwd", 126, "cannot be run")]
)
def test_a_command_that_cannot_run(stored: Cli, command: str, code: int, said: str) -> None:
    assert said in stored("run", "--for", "graph", "--", command).expect(code).stderr


def test_without_a_token_the_command_does_not_run(cli: Cli, tmp_path: Path) -> None:
    sign = tmp_path / "ran"
    cli("run", "--for", "graph", "--", "/usr/bin/touch", sign).expect(4)
    assert not sign.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--", "true"),
        ("--for", "graph"),
        ("--for", "graph", "true"),
        ("--for", "graph,grph", "--", "true"),
    ],
)
def test_usage_errors(stored: Cli, arguments: tuple[str, ...]) -> None:
    stored("run", *arguments).expect(2)


def test_audiences_that_share_a_name_are_refused(stored: Cli) -> None:
    answer = stored("run", "--for", "graph,graph", "--", "true").expect(2)
    assert "share the name of a variable: GRAPH" in answer.stderr


def test_our_descriptors_are_not_the_command_s(stored: Cli) -> None:
    listing = stored("run", "--for", "graph", "--", "/bin/ls", "-l", "/proc/self/fd").expect().stdout
    assert "grants.db" not in listing
    assert "socket:" not in listing


CALL_GRAPH = """
import hashlib, os, ssl, sys, urllib.error, urllib.request
token = os.environ["PARTNERSAM_ACCESS_TOKEN"]
print(hashlib.sha256(token.encode()).hexdigest(), flush=True)
request = urllib.request.Request(sys.argv[1] + "/v1.0/organization", headers={"Authorization": "Bearer " + token})
try:
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=sys.argv[2]))
except urllib.error.HTTPError as refused:
    with open(os.environ["PARTNERSAM_CHALLENGE"], "w") as file:
        file.write(f"HTTP/1.1 {refused.code}\\r\\n{refused.headers}")
    sys.exit(refused.code % 100 + 20)
"""
"""A program that leaves a refusal's headers where it is told to."""

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'


def challenge(emulator: Emulator, times: int) -> None:
    encoded = base64.b64encode(CLAIMS.encode()).decode()
    header = f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'
    emulator.control(fail={"path": "graph", "times": times, "status": 401, "headers": {"WWW-Authenticate": header}})


def call_graph(emulator: Emulator, *options: str) -> tuple[str, ...]:
    call = (sys.executable, "-c", CALL_GRAPH, emulator.ready["graph"], emulator.ready["ca_file"])
    return ("run", "--for", "graph", "--partner", "fabrikam.com", *options, "--", *call)


def test_a_challenged_command_runs_once_more_with_a_new_token(stored: Cli, emulator: Emulator) -> None:
    challenge(emulator, 1)
    emulator.forget_requests()
    first, second = stored(*call_graph(emulator, "--again-on-challenge")).expect().stdout.split()
    assert first != second
    assert len(emulator.requests(grant_type="refresh_token")) == 1
    # What came is the one that is kept.
    assert stored(*call_graph(emulator)).expect().stdout.split() == [second]


def test_a_command_that_is_challenged_again_has_failed(stored: Cli, emulator: Emulator) -> None:
    challenge(emulator, 9)
    answer = stored(*call_graph(emulator, "--again-on-challenge")).expect(21)
    assert len(answer.stdout.split()) == 2


def test_without_a_challenge_it_runs_once(stored: Cli, emulator: Emulator) -> None:
    emulator.control(fail={"path": "graph", "times": 9, "status": 403})
    assert len(stored(*call_graph(emulator, "--again-on-challenge")).expect(23).stdout.split()) == 1
    emulator.control(fail=None)
    assert len(stored(*call_graph(emulator, "--again-on-challenge")).expect().stdout.split()) == 1
    stored("run", "--for", "graph", "--again-on-challenge", "--", "/bin/sh", "-c", "kill -TERM $$").expect(143)
    stored("run", "--for", "graph", "--again-on-challenge", "--", "/no/such/program").expect(127)


def test_the_files_for_challenges_are_private_and_go(stored: Cli, tmp_path: Path) -> None:
    script = 'stat -c "%a %n" "$PARTNERSAM_CHALLENGE_GRAPH" "$(dirname "$PARTNERSAM_CHALLENGE_ARM")"; echo "${PARTNERSAM_CHALLENGE-none}"'
    here = stored.with_env(TMPDIR=tmp_path)
    run = ("run", "--for", "graph,arm", "--again-on-challenge", "--", "/bin/sh", "-c", script)
    file, folder, single = here(*run).expect().stdout.splitlines()
    assert folder.startswith(f"700 {tmp_path}")
    assert file.endswith("/GRAPH")
    assert single == "none"
    assert list(tmp_path.glob("partnersam-run-*")) == []


def test_where_the_challenge_needs_a_person_the_command_does_not_run_again(stored: Cli, emulator: Emulator) -> None:
    challenge(emulator, 1)
    emulator.control(error_for={"audience": "graph", "error": "interaction_required", "error_codes": [50076]})
    answer = stored(*call_graph(emulator, "--again-on-challenge")).expect(4)
    assert len(answer.stdout.split()) == 1
    assert f"  claims: {CLAIMS}" in answer.stderr.splitlines()
    assert f"--for partner-center,graph,arm --claims '{CLAIMS}'`" in answer.stderr


def test_a_request_to_end_reaches_a_command_that_is_waited_for(stored: Cli, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with stored.start("run", "--for", "graph", "--again-on-challenge", "--", sys.executable, script) as process:
        until(process, lambda: process.stdout)
        process.signal(signal.SIGTERM)
        assert process.wait(30) == 7
