"""What README.md and TROUBLESHOOTING.md tell people to type works as they say, played against the emulator."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.documents import blocks, document
from harness import canary
from harness.emulator import Emulator
from harness.places import BUILT, CLI, ROOT, TESTS
from harness.process import Process

README = document("README.md")
GRAPH = "https://graph.microsoft.com"


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def typed(block: str) -> list[str]:
    """The lines of a console block that a person types."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


@dataclass(frozen=True)
class Story:
    emulator: Emulator
    home: Path
    env: dict[str, str]

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.home,
            env={**self.env, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def succeeds(self, *command: str | Path, **more: str) -> str:
        done = self.run(*command, **more)
        assert done.returncode == 0, f"{command[-1]} ended with {done.returncode}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Somebody who has followed "Five minutes" up to its end, with the emulator in Microsoft's place."""
    with Emulator() as emulator:
        home = tmp_path_factory.mktemp("home")
        secret = home / "secret.txt"
        secret.touch(mode=0o600)
        secret.write_text(emulator.app()["client_secret"])
        browser = home / "browser"
        browser.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(TESTS / "docs/person.py"))} "$@"\n'
        )
        browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
        env = {
            "HOME": str(home),
            "PATH": f"{BUILT}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PARTNERSAM_EMULATOR": str(emulator.ready_file),
            "BROWSER": str(browser),
        }
        story = Story(emulator, home, env)
        lines = [line for block in blocks(section("Five minutes"), "console") for line in typed(block)]
        assert [line.split()[1] for line in lines] == ["init", "consent", "token", "run", "status", "renew"]
        said = {}
        for line in lines:
            done = story.run("/bin/bash", "-c", line.replace("CLIENT_ID", emulator.app()["client_id"]))
            assert done.returncode == 0, f"{line}: {done.stderr}"
            said[line.split()[1]] = done.stdout
        canary.know("README.md's token", said["token"].strip())
        assert re.fullmatch(r"eyJ\S+\n", said["token"]), "token does not write a token alone"
        assert said["consent"] in README, "README.md shows another answer of consent"
        assert re.fullmatch(r"a token until 20\S+Z\n", said["run"])
        assert "fabrikam.com  admin@fabrikam.com  yes  active" in said["status"]
        yield story


def test_five_minutes_end_with_a_consent_in_a_private_store(story: Story) -> None:
    config = story.home / ".config/partnersam/config.toml"
    assert "client_secret_file" in config.read_text()
    secret = config.with_name("client-secret")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert (story.home / ".local/share/partnersam/grants.db").exists()


def hello(language: str) -> str:
    (found,) = blocks(section("Hello, in each language"), language)
    return found


def test_hello_in_the_shell(story: Story) -> None:
    if shutil.which("curl", path=story.env["PATH"]) is None:
        pytest.skip("hello in the shell: curl is not installed")
    script = hello("sh").replace(GRAPH, story.emulator.ready["graph"])
    answer = story.succeeds("/bin/sh", "-c", script, CURL_CA_BUNDLE=str(story.emulator.ca_file))
    assert '"Contoso"' in answer


def test_hello_in_python(story: Story) -> None:
    script = hello("python").replace(GRAPH, story.emulator.ready["graph"])
    ca_file = str(story.emulator.ca_file)
    assert story.succeeds(sys.executable, "-c", script, REQUESTS_CA_BUNDLE=ca_file) == "Contoso\n"


def test_hello_in_rust(story: Story) -> None:
    source, program = story.home / "hello.rs", story.home / "hello-rust"
    source.write_text(hello("rust"))
    built = sorted((BUILT / "deps").glob("libpartnersam-*.rlib"), key=lambda path: path.stat().st_mtime)
    library = next((path for path in [BUILT / "libpartnersam.rlib", *reversed(built)] if path.exists()), None)
    assert library, "the crate is not built"
    compiler = ["rustc", "--edition", "2024", "--extern", f"partnersam={library}", "-L", f"dependency={BUILT / 'deps'}"]
    # With the whole environment: rustup's own variables lead to the compiler.
    compiled = subprocess.run(
        [*compiler, "-o", str(program), str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
    assert re.fullmatch(r"a token until 20\S+Z\n", story.succeeds(program))


def test_hello_in_c(story: Story) -> None:
    source, program = story.home / "hello.c", story.home / "hello-c"
    source.write_text(hello("c"))
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    story.succeeds("cc", *warnings, source, "-o", program, f"-I{ROOT / 'include'}", f"-L{BUILT}", "-lpartnersam_c")
    assert re.fullmatch(r"a token until \d{10}\n", story.succeeds(program, LD_LIBRARY_PATH=str(BUILT)))


def test_customers_are_planned_and_applied_as_shown(story: Story) -> None:
    (file,) = blocks(section("Customers"), "toml")
    (story.home / "grants.toml").write_text(file)
    (block,) = blocks(section("Customers"), "console")
    listed, planned, applied = (story.succeeds(CLI, *shlex.split(line)[1:]) for line in typed(block))
    assert "contoso.com" in listed
    assert "+User.Read.All" in planned
    assert "contoso.com" in applied


def test_a_refused_command_looks_as_troubleshooting_shows_it(story: Story) -> None:
    """Last of those that share the grant: it is revoked here."""
    (shown,) = blocks(document("TROUBLESHOOTING.md"), "text")
    story.emulator.control(revoke={"upn": "admin@fabrikam.com"})
    refused = story.run(CLI, "token", "fabrikam.com", "--for", "graph", "--fresh")
    assert refused.returncode == 4
    changing = re.compile(r"(?<=id: )[0-9a-f-]{36}|(?<=timestamp: ).*")
    assert changing.sub("x", refused.stderr) == changing.sub("x", shown)


def test_the_emulator_is_started_as_shown(tmp_path: Path) -> None:
    (block,) = blocks(section("The emulator"), "console")
    start, point = typed(block)
    wait = "until [ -e ready.json ]; do sleep 0.05; done"
    script = f"{start}\n{wait}\n{point}\npartnersam status --json\nkill $!; wait $!"
    env = {"HOME": str(tmp_path), "PATH": f"{BUILT}:/usr/bin:/bin"}
    with Process("readme-emulator", ["/bin/bash", "-c", script], env=env, cwd=tmp_path) as shell:
        assert shell.wait(60) == 0, shell.stderr
        assert '"authority":"emulator"' in shell.stdout


COMMANDS = ("README.md", "TROUBLESHOOTING.md", "SECURITY.md", "CONTRIBUTING.md", "tests/emulator/README.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_in_the_grammar(name: str) -> None:
    text = document(name)
    lines = [line for block in blocks(text, "console") for line in typed(block)]
    lines += re.findall(r"`(partnersam [^`]+)`", text)
    for line in lines:
        for verb, rest in re.findall(r"\bpartnersam ([a-z]\w*)((?: (?!-- )[^|&;]*)?)", line):
            words = rest.split(" -- ")[0]
            below = re.match(r" ([a-z]+)\b", words)
            usage = help_of(verb, below[1]) if verb in WITH_VERBS and below else help_of(verb)
            unknown = [
                word for word in re.findall(r"(?<!\S)--[a-z][\w-]*", words) if not re.search(rf"{word}\b", usage)
            ]
            assert unknown == [], f"{line}: {verb} has no such option"


WITH_VERBS = ("customers",)
"""Verbs that have verbs below them."""


def help_of(*verb: str) -> str:
    asked = subprocess.run([CLI, *verb, "--help"], capture_output=True, text=True, env={}, check=False)
    assert asked.returncode == 0, f"there is no verb {' '.join(verb)}"
    return asked.stdout


def test_every_configuration_key_and_variable_is_in_the_table() -> None:
    source = document("src/app/config.rs") + document("src/app/config/document.rs")
    keys = re.search(r"pub const KEYS: &\[&str\] = &\[(.*?)\];", source, re.DOTALL)
    assert keys
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.*)\|$", section("Configuration"), re.MULTILINE))
    assert list(rows) == re.findall(r'"(\w+)"', keys[1])
    read = set(re.findall(r'(?:environment|azure|pick)\(\s*"([A-Z_]+)"', source)) - {
        "PARTNERSAM_CONFIG",
        "PARTNERSAM_EMULATOR",
    }
    assert set(re.findall(r"`([A-Z_]+)`", " ".join(rows.values()))) == read
    assert {"`PARTNERSAM_CONFIG`", "`PARTNERSAM_EMULATOR`"} <= set(re.findall(r"`[A-Z_]+`", section("Configuration")))


def test_the_versions_that_are_needed_are_named() -> None:
    rust = re.search(r'^rust-version = "(\d+\.\d+)"', document("Cargo.toml"), re.MULTILINE)
    python = re.search(r'requires-python = ">=(\d+\.\d+)"', document("python/pyproject.toml"))
    assert rust
    assert python
    assert f"Rust {rust[1]} or newer" in section("Two commands")
    assert f"Python {python[1]} or newer" in section("Two commands")


def test_the_exit_codes_are_those_of_the_help() -> None:
    told = re.search(r'"(Exit codes: .*?)";', document("bindings/cli/src/exit.rs"), re.DOTALL)
    assert told
    assert re.sub(r"\\\n\s*", "", told[1]) + "." in README
