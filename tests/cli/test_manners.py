"""What every verb has in common: help, version, streams, logs; and the verbs that touch no store."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from cli.consents import consent, first_line
from cli.terminal import Terminal

from harness.cli import Cli
from harness.emulator import Emulator
from harness.process import Process

VERBS = (
    "init",
    "consent",
    "import",
    "token",
    "status",
    "renew",
    "revoke",
    "run",
    "emulator",
    "demo",
    "completion",
    "explain",
)


@pytest.fixture
def bare(home: Path) -> Cli:
    return Cli(home)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(bare: Cli, verb: str) -> None:
    for arguments in ((verb, "--help"), (verb, "-h"), ("help", verb)):
        answer = bare(*arguments).expect()
        assert "Example" in answer.stdout
        assert f"partnersam {verb}" in answer.stdout
        assert not answer.stderr


def test_help_names_every_verb_and_the_exit_codes(bare: Cli) -> None:
    printed = bare("--help").expect().stdout
    for verb in VERBS:
        assert re.search(rf"^  {verb}\b", printed, re.MULTILINE), verb
    assert "130 cancelled" in printed


def test_the_version(bare: Cli) -> None:
    assert re.fullmatch(r"partnersam \d+\.\d+\.\d+\n", bare("--version").expect().stdout)
    assert re.fullmatch(r"partnersam-token \d+\.\d+\.\d+\n", bare("token", "-V").expect().stdout)


@pytest.mark.parametrize("arguments", [(), ("no-such-verb",), ("--no-such-option",)])
def test_usage_errors_go_to_standard_error(bare: Cli, arguments: tuple[str, ...]) -> None:
    answer = bare(*arguments).expect(2)
    assert not answer.stdout
    assert "Usage:" in answer.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_scripts(bare: Cli, shell: str, tmp_path: Path) -> None:
    script = bare("completion", shell).expect().stdout
    for word in ("consent", "--for", "--customer"):
        assert word.lstrip("-") in script
    file = tmp_path / "script"
    file.write_text(script)
    if shell in ("bash", "zsh", "fish") and (program := shutil.which(shell)):
        subprocess.run([program, "-n", file], check=True, timeout=60)


def test_bash_completes_a_verb(bare: Cli, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(bare("completion", "bash").expect().stdout)
    ask = f'source {script}; COMP_WORDS=(partnersam con); COMP_CWORD=1; _partnersam partnersam con partnersam; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["/bin/bash", "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["consent"]


def test_completion_wants_a_shell_it_knows(bare: Cli) -> None:
    bare("completion").expect(2)
    bare("completion", "cmd").expect(2)


def test_a_reader_who_has_enough_is_no_failure(bare: Cli) -> None:
    pipe = Cli(bare.home, bare.env, ("/bin/bash", "-c", 'set -o pipefail; "$0" "$@" | head -c 1', *bare.program))
    answer = pipe("completion", "bash").expect()
    assert "panicked" not in answer.stderr


def test_the_log_is_silent_until_asked_and_then_on_standard_error(stored: Cli) -> None:
    quiet = stored.with_env(PARTNERSAM_LOG="")
    assert not quiet("token", "--for", "graph").expect().stderr
    answer = quiet("token", "--for", "graph", "--fresh", "-vvv").expect()
    assert "partnersam::" in answer.stderr
    assert answer.stdout.count("\n") == 1
    assert not quiet.with_env(PARTNERSAM_LOG="off")("token", "--for", "graph", "--fresh").expect().stderr


def test_the_log_has_no_other_crate_s_words(stored: Cli) -> None:
    answer = stored("token", "--for", "graph", "--fresh").expect()
    lines = [line for line in answer.stderr.splitlines() if re.match(r"\d{4}-", line)]
    assert lines
    assert [
        line for line in lines if not re.search(r" (TRACE|DEBUG|INFO|WARN|ERROR) (\S+\{.*\}: )*partnersam", line)
    ] == []


def test_an_emulator_with_a_ready_file(home: Path, emulator: Emulator) -> None:
    """The fixture's emulator only lends its samples: what is started here is the command's own."""
    ready = home / "ready.json"
    cli = Cli(home, {"PARTNERSAM_KEY_FILE": str(home / "key")})
    with cli.start("emulator", "--ready-file", "ready.json") as process:
        assert first_line(process) == f"export PARTNERSAM_EMULATOR='{ready}'"
        told = json.loads(ready.read_text())
        assert {
            "authority",
            "partner_center",
            "graph",
            "control",
            "ca_file",
            "tenants",
            "users",
            "customers",
            "apps",
        } <= set(told)
        assert told["pid"] == process.pid
        assert ready.stat().st_mode & 0o077 == 0
        cli.with_env(PARTNERSAM_EMULATOR=ready)(
            "init", "--client-id", told["apps"][0]["client_id"], "--key-file", "key"
        ).expect()
        process.signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not ready.exists()
    assert not Path(told["ca_file"]).exists()


def test_an_emulator_without_one_says_where_it_is(home: Path, tmp_path: Path) -> None:
    cli = Cli(home, {"TMPDIR": str(tmp_path)})
    with cli.start("emulator") as process:
        line = first_line(process)
        ready = Path(line.partition("'")[2].rstrip("'"))
        assert ready.exists()
        process.signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout == line + "\n"
    assert not ready.parent.exists()


def test_an_emulator_on_ports_that_are_taken(home: Path, emulator: Emulator) -> None:
    port = emulator.authority.rpartition(":")[2]
    answer = Cli(home)("emulator", "--port-base", port).expect(2)
    assert "the emulator cannot start" in answer.stderr
    Cli(home)("emulator", "--port-base", "0").expect(2)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A temporary folder of the command's own, to see what is left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_the_demo_plays_the_whole_story(home: Path, temporary: Path) -> None:
    answer = Cli(home, {"TMPDIR": str(temporary), "PARTNERSAM_CLIENT_ID": "the owner's own, which has no part in it"})(
        "demo"
    ).expect()
    assert answer.stdout.splitlines()[-1] == "demo: everything worked"
    for told in (
        "MFA yes",
        "did not prove MFA, so nothing was stored",
        "900421",
        "isMfaCompliant true",
        "no file in the folder holds the password any more",
        "2 rotations were kept",
    ):
        assert told in answer.stdout
    assert list(temporary.iterdir()) == []
    assert list(home.iterdir()) == []


def test_the_demo_shows_no_token_and_no_password(home: Path, tmp_path: Path) -> None:
    printed = Cli(home, {"TMPDIR": str(tmp_path)})("demo").expect().stdout
    assert "eyJ" not in printed
    assert "emulator-only-" not in printed


def test_the_demo_fails_when_it_cannot_be_played(home: Path) -> None:
    answer = Cli(home, {"TMPDIR": "/no/such/folder"})("demo")
    assert answer.code == 1
    assert "everything worked" not in answer.stdout


def test_ctrl_c_ends_the_demo_and_cleans_up(home: Path, temporary: Path) -> None:
    with Cli(home, {"TMPDIR": str(temporary)}).start("demo") as process:
        first_line(process)
        process.signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert list(temporary.iterdir()) == []


def test_a_token_on_a_narrow_terminal(stored: Cli) -> None:
    with Terminal(stored, "token", "--for", "graph", columns=20) as terminal:
        assert terminal.wait() == 0


def test_many_commands_at_once(stored: Cli, emulator: Emulator) -> None:
    """Sixteen processes that want one token which nobody has: one redemption at a service that takes a token only once."""
    emulator.control(strict_refresh=True)
    emulator.forget_requests()
    running: list[Process] = [stored.start("token", "--for", "exchange") for _ in range(16)]
    try:
        consented = [process.wait() for process in running]
    finally:
        for process in running:
            process.stop()
    # Exchange was not consented to: every one of them is told, and the grant is none the worse.
    assert consented == [4] * 16
    consent(stored, emulator, "fabrikam.com", "--for", "partner-center,exchange").expect()
    stored("token", "--for", "exchange").expect()
