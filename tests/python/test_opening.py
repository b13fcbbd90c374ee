"""Opening an app: from the environment, a file, a mapping; closing it; what it shows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from python.partner import consent, environment, open_app

from harness.emulator import Emulator
from partnersam import CallerError, IdentityError, PartnerApp, PartnerSamError, StoreError

SECRET = "test-secret-that-nobody-may-see"
CLIENT_ID = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No test sees this machine's own configuration."""
    for name in ("CONFIG", "CLIENT_ID", "TENANT_ID", "CLIENT_SECRET", "STORE", "KEY_FILE", "EMULATOR"):
        monkeypatch.delenv(f"PARTNERSAM_{name}", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def test_from_env(emulator: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(emulator, home).items():
        monkeypatch.setenv(name, value)
    with PartnerApp.from_env() as app:
        assert app.client_id == emulator.app()["client_id"]
        assert app.authority == "emulator"
        assert app.store == f"sqlite:{home / 'store' / 'grants.db'}"
        assert consent(emulator, app).mfa == "yes"


def test_from_config(emulator: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(emulator, home)
    monkeypatch.setenv("PARTNERSAM_EMULATOR", env["PARTNERSAM_EMULATOR"])
    secret = home / "secret"
    secret.write_text(emulator.app()["client_secret"])
    secret.chmod(0o600)
    config = home / "partnersam.toml"
    config.write_text(
        f'client_id = "{emulator.app()["client_id"]}"\nclient_secret_file = "secret"\n'
        f'store = "{env["PARTNERSAM_STORE"]}"\nkey = "file:store.key"\nredirect_uri = "https://vendor.example/consent/callback"\n'
    )
    for path in (config, str(config)):
        with PartnerApp.from_config(path) as app:
            link = app.begin_consent("fabrikam.com", ["graph"])
            assert link.redirect_uri == "https://vendor.example/consent/callback"
            assert list(app.complete_consent(emulator.sign_in(link.url).fields).audiences) == ["graph"]


def test_from_dict_takes_the_secret_and_paths(emulator: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(emulator, home)
    monkeypatch.setenv("PARTNERSAM_EMULATOR", env["PARTNERSAM_EMULATOR"])
    mapping = {
        "client_id": emulator.app()["client_id"],
        "client_secret": emulator.app()["client_secret"],
        "store": env["PARTNERSAM_STORE"],
        "key": f"file:{env['PARTNERSAM_KEY_FILE']}",
        "passphrase_file": home / "unused",
        "scopes": {"graph": ["User.Read", "Directory.Read.All"]},
    }
    with PartnerApp.from_dict(mapping) as app:
        assert consent(emulator, app).user_name == "admin@fabrikam.com"


@pytest.mark.parametrize(
    ("mapping", "kind", "named"),
    [
        ({}, "ConfigMissing", "client_id"),
        ({"client_id": CLIENT_ID, "cloud": SECRET}, "ConfigInvalid", "cloud"),
        ({"client_id": CLIENT_ID, "password": SECRET}, "ConfigInvalid", "password"),
        ({"client_id": CLIENT_ID, "client_secret": ["a", SECRET]}, "ConfigInvalid", "client_secret"),
        ({"client_id": CLIENT_ID, "unheard_of": SECRET}, "ConfigInvalid", "unheard_of"),
    ],
)
def test_a_wrong_mapping_is_refused_by_the_name_of_its_key(mapping: dict[str, object], kind: str, named: str) -> None:
    with pytest.raises(CallerError) as raised:
        PartnerApp.from_dict(mapping)
    assert raised.value.id == kind
    assert isinstance(raised.value, ValueError)
    assert named in raised.value.message
    assert SECRET not in repr(raised.value) + str(raised.value) + str(raised.value.to_dict())


def test_a_value_that_no_configuration_holds_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a configuration holds no object"):
        PartnerApp.from_dict({"client_id": object()})
    with pytest.raises(TypeError):
        PartnerApp.from_dict("client_id")  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(CallerError) as raised:
        PartnerApp.from_config(home / "missing.toml")
    assert raised.value.context["file"] == str(home / "missing.toml")


def test_a_key_file_that_is_not_there_is_the_stores_error(emulator: Emulator, home: Path) -> None:
    app = open_app(emulator, home)
    (home / "store.key").unlink()
    with app, pytest.raises(StoreError) as raised:
        app.begin_consent("fabrikam.com", redirect_uri="https://vendor.example/consent/callback")
    assert (raised.value.id, raised.value.actor) == ("StoreKeyMissing", "host_administrator")


def test_a_closed_app_refuses_every_call_of_its_own_and_its_credentials(emulator: Emulator, home: Path) -> None:
    app = open_app(emulator, home)
    consent(emulator, app)
    credential = app.credential("fabrikam.com")
    auth = credential.auth("graph")
    assert credential.get_token("https://graph.microsoft.com/.default").token
    app.close()
    app.close()
    calls = (
        app.grants,
        lambda: app.token("fabrikam.com"),
        lambda: credential.get_token("https://graph.microsoft.com/.default"),
    )
    for call in calls:
        with pytest.raises(CallerError) as raised:
            call()
        assert (raised.value.id, raised.value.message) == ("HandleInvalid", "the app was closed")
    assert "graph" in repr(auth)
    assert repr(app).startswith("PartnerApp(client_id=")


def test_nothing_shows_a_secret_of_itself(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        link = app.begin_consent("fabrikam.com", redirect_uri="https://vendor.example/consent/callback")
        consented = app.complete_consent(emulator.sign_in(link.url).fields)
        token = app.token("fabrikam.com", "graph")
        credential = app.credential("fabrikam.com")
        things = (app, link, consented, token, credential, credential.auth("graph"), *app.grants(), consented.audiences)
        accesses = (credential.get_token("https://graph.microsoft.com/.default"), credential.get_token_info("graph"))
        for thing in (*things, *accesses):
            for shown in (repr(thing), str(thing), f"{thing}"):
                assert token.token not in shown
                assert link.state not in shown
                assert emulator.app()["client_secret"] not in shown
                assert "***" in shown or thing not in (link, token, *accesses)


def test_the_native_classes_are_not_made_by_hand() -> None:
    with pytest.raises(TypeError):
        PartnerApp()
    assert issubclass(IdentityError, PartnerSamError)
