"""`partnersam init`, and configurations that do not fit: refused by the key's name, and never by its value."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cli.consents import consent, status
from cli.terminal import Terminal

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator

ID = "eeeeeeee-0000-4000-8000-000000000001"
SECRET = "test-only-client-secret+not&real="
CONFIG = ".config/partnersam/config.toml"


@pytest.fixture
def bare(home: Path) -> Cli:
    """The command in an empty home, without an emulator and with nothing configured."""
    canary.know("the command line", SECRET)
    return Cli(home)


def written(config: Path) -> dict[str, str]:
    """The file's keys and values; its texts are written as JSON would write them."""
    lines = [line for line in config.read_text().splitlines() if not line.startswith("#")]
    return {key: json.loads(value) for key, value in (line.split(" = ", 1) for line in lines)}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_writes_what_was_asked_and_a_consent_follows(home: Path, emulator: Emulator) -> None:
    cli = Cli(home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file)})
    app = emulator.app()
    answer = cli(
        "init",
        *("--client-id", app["client_id"], "--tenant", "vendor.example", "--client-secret-file", "-"),
        *("--key-file", home / "key", "--store", f"sqlite:{home}/my.db", "--profile", "cpv", "--cloud", "public"),
        stdin=app["client_secret"] + "\n",
    ).expect()
    config, secret, key = home / CONFIG, home / ".config/partnersam/client-secret", home / "key"
    assert written(config) == {
        "client_id": app["client_id"],
        "tenant": "vendor.example",
        "cloud": "public",
        "profile": "cpv",
        "client_secret_file": str(secret),
        "store": f"sqlite:{home}/my.db",
        "key": f"file:{key}",
    }
    assert secret.read_text() == app["client_secret"] + "\n"
    assert [mode(path) for path in (config, secret, key)] == [0o600] * 3
    assert mode(config.parent) == 0o700
    assert "next: partnersam consent PARTNER" in answer.stdout
    consent(cli, emulator).expect()
    assert (home / "my.db").exists()
    assert len(status(cli)) == 1


def test_it_says_when_the_app_cannot_prove_itself_yet(bare: Cli) -> None:
    answer = bare("init", "--client-id", ID, "--key-file", "key").expect()
    assert "the app has no credential yet" in answer.stdout
    known = bare.with_env(PARTNERSAM_CLIENT_SECRET=SECRET)
    answer = known("init", "--client-id", ID, "--key-file", "key", "--force").expect()
    assert "the app proves itself by its client secret" in answer.stdout


def test_json(bare: Cli, home: Path) -> None:
    document = bare("init", "--client-id", ID, "--key-file", "key", "--json").expect().json
    assert set(document) == {"schema_version", "config", "client_secret_file", "store", "key", "next"}
    assert document["config"] == str(home / CONFIG)
    assert document["key"] == f"file:{home}/key"
    assert document["client_secret_file"] is None


def test_a_configuration_that_is_there_is_replaced_only_by_force(bare: Cli, home: Path) -> None:
    bare("init", "--client-id", ID, "--key-file", "key").expect()
    before = (home / CONFIG).read_text()
    key = (home / "key").read_text()
    answer = bare("init", "--client-id", ID, "--key-file", "key", "--tenant", "other.example").expect(2)
    assert "--force" in answer.stderr
    assert (home / CONFIG).read_text() == before
    bare("init", "--client-id", ID, "--key-file", "key", "--tenant", "other.example", "--force").expect()
    assert "other.example" in (home / CONFIG).read_text()
    assert mode(home / CONFIG) == 0o600
    # Never the key: it may be the only one to a store.
    assert (home / "key").read_text() == key


def test_a_person_is_asked_and_the_secret_is_not_shown(bare: Cli, home: Path) -> None:
    with Terminal(bare, "init", "--key-file", "key") as terminal:
        terminal.expect("client id of the app registration: ")
        terminal.enter(ID)
        terminal.expect("tenant of the app registration (id or domain, may be left out): ")
        terminal.enter("")
        terminal.expect("client secret (not shown, may be left out): ")
        assert not terminal.echoes()
        terminal.enter(SECRET)
        terminal.expect("next: partnersam consent PARTNER")
        assert terminal.wait() == 0
        assert terminal.echoes()
        assert SECRET not in terminal.screen
    assert (home / ".config/partnersam/client-secret").read_text() == SECRET + "\n"
    assert "tenant" not in written(home / CONFIG)


def test_ctrl_c_at_the_secret_leaves_the_terminal_as_it_was(bare: Cli, home: Path) -> None:
    with Terminal(bare, "init", "--client-id", ID, "--tenant", "vendor.example") as terminal:
        terminal.expect("client secret")
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert terminal.echoes()
    assert not (home / CONFIG).exists()


def test_without_anybody_to_ask_the_client_id_must_be_there(bare: Cli) -> None:
    assert "--client-id" in bare("init").expect(2).stderr
    with Terminal(bare, "init", "--no-input") as terminal:
        assert terminal.wait() == 2


def test_a_file_with_the_secret_stays_where_it_is(bare: Cli, home: Path) -> None:
    file = home / "my-secret"
    file.write_text(SECRET)
    file.chmod(0o644)
    answer = bare("init", "--client-id", ID, "--key-file", "key", "--client-secret-file", "my-secret").expect(3)
    assert "can be read by others" in answer.stderr
    assert not (home / CONFIG).exists()
    file.chmod(0o600)
    bare("init", "--client-id", ID, "--key-file", "key", "--client-secret-file", "my-secret").expect()
    assert written(home / CONFIG)["client_secret_file"] == str(file)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("11111111-2222-3333-4444-555555555555", "the secret's id"),
        ("Winter2026-canary", None),
        ("Winter2026!", "may be a password"),
        ("", "standard input is empty"),
        ("my secret is test-only-value", "one word"),
    ],
)
def test_what_is_no_client_secret_is_refused(bare: Cli, home: Path, secret: str, said: str | None) -> None:
    answer = bare("init", "--client-id", ID, "--key-file", "key", "--client-secret-file", "-", stdin=secret)
    if said is None:
        answer.expect()
        return
    answer.expect(2)
    assert said in answer.stderr
    assert not secret or secret not in answer.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("option", ["--client-secret", "--password"])
def test_a_secret_in_an_argument_is_refused_and_not_repeated(bare: Cli, option: str) -> None:
    for arguments in ((option, SECRET), (f"{option}={SECRET}",), (option,)):
        answer = bare("init", "--client-id", ID, *arguments).expect(2)
        assert "a secret must not stand on the command line" in answer.stderr
        assert SECRET not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--client-id", "not-a-guid"), 3, "client_id must be"),
        (("--client-id", ID, "--tenant", "a/b"), 2, "not a tenant"),
        (("--client-id", ID, "--cloud", "moon"), 2, "--cloud"),
        (("--client-id", ID, "--store", "sqlite:relative.db"), 3, "store must be"),
        (("--client-id", ID, "--store", "mysql://user:canary@host"), 3, "store must be"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    bare: Cli, home: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = bare("init", *arguments).expect(code)
    assert said in answer.stderr
    assert "canary" not in answer.stderr
    assert list(home.iterdir()) == []


def test_a_store_that_does_not_open_is_told_at_once(bare: Cli, home: Path) -> None:
    """No keyring here, and no key file: the configuration is written, and the first use would fail."""
    answer = bare("init", "--client-id", ID).expect(6)
    assert "PARTNERSAM_KEY_FILE" in answer.stderr
    assert f"written: {home / CONFIG}" in answer.stderr


@pytest.mark.needs("gnome-keyring", "dbus-daemon")
def test_without_a_key_file_the_keyring_keeps_the_key(
    emulator: Emulator, home: Path, request: pytest.FixtureRequest
) -> None:
    keyring = request.getfixturevalue("keyring")
    cli = Cli(home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file), **keyring.env})
    answer = cli("init", "--client-id", ID).expect()
    assert "its key in keyring" in answer.stdout
    consent(cli, emulator).expect()
    cli("token", "--for", "graph").expect()
    keyring.stop_daemon()
    cli("token", "--for", "graph").expect(6)


CANARY = "canary-value-in-the-wrong-place"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f'client_id = "{CANARY}"', "client_id"),
        (f'cloud = "{CANARY}"', "cloud"),
        (f'profile = "{CANARY}"', "profile"),
        (f'store = "{CANARY}"', "store"),
        (f'key = "{CANARY}"', "key"),
        (f'tenant = "{CANARY} x"', "tenant"),
        (f'password = "{CANARY}"', "password"),
        (f'client_secret = "{CANARY}"', "client_secret"),
        (f'colour = "{CANARY}"', "colour"),
        (f"client_id = {CANARY}", "line 1"),
        ("client_id = 5", "client_id"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(bare: Cli, home: Path, line: str, said: str) -> None:
    config = home / "wrong.toml"
    config.write_text(line + "\n" + ("" if "client_id" in line else f'client_id = "{ID}"\n'))
    for cli, arguments in (
        (bare, ("--config", config)),
        (bare.with_env(PARTNERSAM_CONFIG=config), ()),
    ):
        answer = cli("status", *arguments).expect(3)
        assert said in answer.stderr
        assert str(config) in answer.stderr
        assert CANARY not in answer.stdout + answer.stderr
        assert CANARY not in cli("status", "--json", *arguments).expect(3).stdout


@pytest.mark.parametrize("name", ["CLOUD", "PROFILE", "STORE", "TENANT_ID", "LOG"])
def test_a_wrong_variable_is_refused_by_name(bare: Cli, name: str) -> None:
    """A variable that does not fit is no invitation to take the next best."""
    variable = f"PARTNERSAM_{name}"
    answer = bare.with_env(**{"PARTNERSAM_CLIENT_ID": ID, variable: f"{CANARY} x"})("status").expect(3)
    assert variable in answer.stderr
    assert CANARY not in answer.stderr


def test_nothing_configured_says_what_to_do(bare: Cli) -> None:
    answer = bare("status").expect(3)
    assert "run `partnersam init`, or set PARTNERSAM_CLIENT_ID" in answer.stderr


def test_a_configuration_that_is_not_there(bare: Cli) -> None:
    answer = bare("status", "--config", "/no/such/config.toml").expect(3)
    assert "file: /no/such/config.toml" in answer.stderr


def test_nothing_is_read_from_the_working_directory(bare: Cli, home: Path) -> None:
    for name in ("config.toml", "partnersam.toml", ".partnersam.toml", ".env"):
        (home / name).write_text(f'client_id = "{ID}"\nPARTNERSAM_CLIENT_ID={ID}\n')
    bare("status").expect(3)


def test_a_folder_that_others_can_write_to_is_refused(bare: Cli, home: Path) -> None:
    folder = home / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    bare("init", "--client-id", ID, "--config", folder / "config.toml", "--key-file", "key").expect(6)
    assert list(folder.iterdir()) == []
