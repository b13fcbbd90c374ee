"""A vault as the store, from the shell: every way to open it, hosts that share it, and what its refusals look like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.consents import consent, status

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.key_vault import official_client, vault_url

Host = Callable[..., Cli]
STORE = "keyvault://emulator"


@pytest.fixture
def host(tmp_path: Path, emulator: Emulator) -> Host:
    """Makes hosts: each has its own home, all have the same key."""
    key = tmp_path / "key"
    known = Cli(tmp_path, {"PARTNERSAM_EMULATOR": str(emulator.ready_file)})
    known(
        "init", "--client-id", emulator.app()["client_id"], "--key-file", key, "--config", tmp_path / "unused.toml"
    ).expect()
    canary.know("the store", key.read_text().strip().rpartition(":")[2])

    def make(name: str, vault: str = "", *, store: str = STORE, env: dict[str, str] | None = None) -> Cli:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        config = home / "config.toml"
        config.write_text(f'store = "{store}"\nkey = "file:{key}"\n[vault]\nbeside = "{home}/beside/v.db"\n{vault}\n')
        return Cli(
            home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file), "PARTNERSAM_CONFIG": str(config), **(env or {})}
        )

    return make


def test_grants_travel_to_another_vault_with_another_key(host: Host, emulator: Emulator, tmp_path: Path) -> None:
    old = host("old")
    consent(old, emulator)
    word, file = tmp_path / "passphrase", tmp_path / "grants.age"
    word.write_text("only a test passphrase\n")
    word.chmod(0o600)
    old("store", "export", "--to", file, "--passphrase-file", word).expect()
    new = host("new", store="keyvault://another")
    new_key = tmp_path / "new-key"
    new("key", "make", new_key).expect()
    canary.know("the store", new_key.read_text().strip().rpartition(":")[2])
    config = tmp_path / "new" / "config.toml"
    config.write_text(config.read_text().replace(str(tmp_path / "key"), str(new_key)))
    new("store", "import", file, "--passphrase-file", word).expect()
    new("token", "fabrikam.com", "--for", "graph", "--fresh").expect()
    old("token", "fabrikam.com", "--for", "graph").expect()


def test_a_grant_lives_in_the_vault_and_every_host_uses_it(host: Host, emulator: Emulator) -> None:
    one, two = host("one"), host("two")
    consent(one, emulator).expect()
    token = two("token", "fabrikam.com", "--for", "graph", "--json").expect().json
    assert token["mfa"] == "yes"
    assert [each["partner"] for each in status(two)] == [emulator.tenant()["id"]]
    with official_client(emulator) as others:
        names = sorted(str(each.name) for each in others.list_properties_of_secrets())
        assert len(names) == 2
        assert names[1] == "psam-store"
        secret = others.get_secret(names[0])
        said = f"{secret.value} {secret.properties.tags} {secret.properties.content_type}"
        assert str(secret.value).startswith("psam1.")
        assert "admin@" not in said
        assert secret.properties.expires_on is not None
    one("revoke", "fabrikam.com", "--yes").expect()
    assert status(two) == []
    refused = two("token", "fabrikam.com", "--for", "partner-center")
    assert (refused.code, "ConsentRequired" in refused.stderr or "consent" in refused.stderr) == (4, True)
    with official_client(emulator) as others:
        assert list(others.list_deleted_secrets()) == [], "it was deleted and not purged"


def test_the_vault_s_records_get_a_new_key(host: Host, emulator: Emulator, tmp_path: Path) -> None:
    """Both hosts read the same key file."""
    one, two = host("one"), host("two")
    consent(one, emulator).expect()
    two("token", "fabrikam.com", "--for", "graph").expect()
    with official_client(emulator) as others:
        names = sorted(str(each.name) for each in others.list_properties_of_secrets())
        before = {name: others.get_secret(name) for name in names}
    assert one("key", "show", "--json").expect().json["rotation"] == "none"
    plan = one("key", "rotate", "--dry-run", "--json").expect().json
    assert (plan["grants"], plan["prepares_only"]) == (1, True)
    assert one("key", "rotate", "--json").expect().json["prepared_only"]
    done = one("key", "rotate", "--json").expect().json
    assert (done["moved"], done["unreadable"], done["old_key_removed"]) == (1, 0, True)
    canary.know("the store", (tmp_path / "key").read_text().strip().rpartition(":")[2])
    with official_client(emulator) as others:
        assert sorted(str(each.name) for each in others.list_properties_of_secrets()) == names
        for name in names:
            now = others.get_secret(name)
            assert now.value != before[name].value
            assert now.properties.expires_on == before[name].properties.expires_on
            usable = [each for each in others.list_properties_of_secret_versions(name) if each.enabled]
            assert [each.version for each in usable] == [now.properties.version]
        was, tags = before[names[0]].properties.tags or {}, others.get_secret(names[0]).properties.tags or {}
        assert {name: tags[name] for name in was if name != "key"} == {
            name: value for name, value in was.items() if name != "key"
        }
        assert "moving" not in tags
    for each in (one, two):
        each("token", "fabrikam.com", "--for", "graph", "--fresh").expect()
        each("renew", "fabrikam.com").expect()


def test_a_vault_of_bare_values_gets_a_new_key_for_what_lies_beside_it(
    host: Host, emulator: Emulator, tmp_path: Path
) -> None:
    (seed,) = emulator.seed_grants("admin@fabrikam.com")
    emulator.control(consent={"tenant": "fabrikam.com", "granted": True})
    with official_client(emulator) as others:
        others.set_secret("RefreshToken", seed["refresh_token"])
        one = host("one", 'format = "plain"', store=f"{vault_url(emulator)}/secrets/RefreshToken")
        one("token", "fabrikam.com", "--for", "graph").expect()
        done = one("key", "rotate", "--json").expect().json
        assert (done["moved"], done["prepared_only"], done["old_key_removed"]) == (1, False, True)
        canary.know("the store", (tmp_path / "key").read_text().strip().rpartition(":")[2])
        assert [str(each.name) for each in others.list_properties_of_secrets()] == ["RefreshToken"]
        one("renew", "fabrikam.com").expect()
        canary.know("the emulator", str(others.get_secret("RefreshToken").value))


def test_the_first_request_has_no_body_and_one_rotation_makes_no_version(host: Host, emulator: Emulator) -> None:
    one = host("one")
    consent(one, emulator).expect()
    for _ in range(3):
        one("renew", "fabrikam.com").expect()
    calls = emulator.vault_calls()
    assert all(call["body_bytes"] == 0 for call in calls if call["status"] == 401)
    assert sum(call["method"] == "PUT" and call["status"] == 200 for call in calls) == 2, (
        "the grant and the vault's own"
    )


IDENTITIES = [
    "client secret",
    "certificate",
    "federated assertion",
    "managed identity",
    "workload identity",
    "azure cli",
]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_every_identity_opens_the_vault(identity: str, host: Host, emulator: Emulator, tmp_path: Path) -> None:
    app = emulator.app()
    home_of_app = f'tenant = "{app["tenant"]}"\nclient_id = "{app["client_id"]}"\n'
    env: dict[str, str] = {}
    managed = emulator.ready["managed_identity"]
    match identity:
        case "client secret":
            secret = tmp_path / "secret"
            secret.touch(mode=0o600)
            secret.write_text(app["client_secret"])
            vault = f'{home_of_app}client_secret_file = "{secret}"'
        case "certificate":
            vault = f'{home_of_app}certificate_file = "{app["certificates"][0]["pem_file"]}"'
        case "federated assertion" | "workload identity":
            assertion = tmp_path / "assertion"
            assertion.write_text(emulator.federated_token())
            kind = 'identity = "workload-identity"\n' if identity == "workload identity" else ""
            vault = f'{kind}{home_of_app}federated_token_file = "{assertion}"'
        case "managed identity":
            vault = 'identity = "managed-identity"'
            env = {"IDENTITY_ENDPOINT": managed["endpoint"], "IDENTITY_HEADER": managed["header"]}
        case _:
            vault = 'identity = "azure-cli"'
            env = {"PATH": f"{azure_cli(tmp_path, emulator)}:{os.environ['PATH']}"}
    one = host("one", vault, env=env)
    consent(one, emulator).expect()
    assert one("token", "fabrikam.com", "--for", "graph").expect().stdout
    who = {call["client_id"] for call in emulator.vault_calls() if call["status"] == 200}
    assert who == {managed["client_id"] if identity in ("managed identity", "azure cli") else app["client_id"]}


def azure_cli(folder: Path, emulator: Emulator) -> Path:
    """A stand-in for `az` with a person signed in."""
    import httpx

    managed = emulator.ready["managed_identity"]
    port = emulator.ready["key_vault"].rsplit(":", 1)[1]
    with httpx.Client(verify=emulator.tls(), trust_env=False) as http:
        query = {"resource": f"https://vault.localhost:{port}"}
        answer = http.get(managed["endpoint"], params=query, headers={"x-identity-header": managed["header"]})
    token = answer.json()
    canary.know("az", token["access_token"])
    said = {"accessToken": token["access_token"], "expires_on": int(token["expires_on"]), "tokenType": "Bearer"}
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "said.json").write_text(json.dumps(said))
    (bin_ / "az").write_text(f"#!/bin/sh\nexec cat {bin_}/said.json\n")
    (bin_ / "az").chmod(0o755)
    return bin_


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"roles": {"CLIENT": "none"}}, "VaultRoleMissing", "Key Vault Secrets Officer"),
    ({"access_policies": {}}, "VaultPolicyMissing", "access policy"),
    ({"firewall": True}, "VaultFirewallBlocked", "address"),
    ({"tenant": "fabrikam.com"}, "StoreForbidden", "tenant"),
    ({"challenge": {"authority": "https://login.evil.example"}}, "HostNotAllowed", "cloud"),
]


@pytest.mark.parametrize(("change", "kind", "words"), REFUSALS, ids=[kind for _, kind, _ in REFUSALS])
def test_a_refusal_says_who_must_act(
    change: dict[str, Any], kind: str, words: str, host: Host, emulator: Emulator
) -> None:
    client = emulator.app()["client_id"]
    text = json.dumps(change).replace("CLIENT", client)
    emulator.control(vaults={"vault": "emulator", **json.loads(text)})
    refused = host("one")("token", "fabrikam.com", "--for", "graph", "--json")
    error = json.loads(refused.stderr.splitlines()[-1] if not refused.stdout else refused.stdout)["error"]
    assert (error["id"], refused.code) == (kind, 3 if kind == "HostNotAllowed" else 6)
    assert words in error["hint"]


def test_a_check_up_goes_to_the_vault_and_tells_what_it_says(host: Host, emulator: Emulator) -> None:
    one = host("one")
    consent(one, emulator).expect()
    answer = one("doctor", "fabrikam.com", "--customer", "contoso.com", "--json").expect().json
    levels = {each["check"]: each["level"] for each in answer["findings"]}
    assert (answer["verdict"], levels["store"], levels["customer"]) == ("warn", "pass", "pass"), answer
    assert "the vault read" in next(each["message"] for each in answer["findings"] if each["check"] == "store")
    emulator.control(vaults={"vault": "emulator", "firewall": True})
    answer = one("doctor", "fabrikam.com", "--json").expect(6).json
    store = next(each for each in answer["findings"] if each["check"] == "store")
    assert (store["level"], store["error_id"]) == ("fail", "VaultFirewallBlocked"), answer


@pytest.mark.parametrize(
    ("store", "vault", "word"),
    [
        ("keyvault://no", "", "store"),
        ("https://my-vault.vault.azure.net.evil.example", "", "store"),
        ("https://user:hunter2-not-real@my-vault.vault.azure.net", "", "store"),
        (STORE, 'identity = "password"', "vault.identity"),
        (STORE, 'format = "open"', "vault.format"),
        (STORE, 'secret = "x"', "vault.secret"),
        (STORE, 'identity = "managed-identity"\nclient_secret_file = "x"', "vault.client_secret_file"),
        (STORE, 'client_id = "eeeeeeee-0000-4000-8000-00000000000f"', "vault.client_secret_file"),
        ("memory:", "", "vault"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(store: str, vault: str, word: str, host: Host) -> None:
    refused = host("one", vault, store=store)("status")
    assert (refused.code, word in refused.stderr) == (3, True), refused.stderr
    assert "hunter2" not in refused.stderr


def test_a_full_identifier_is_one_plain_secret_that_another_tool_shares(host: Host, emulator: Emulator) -> None:
    (seed,) = emulator.seed_grants("admin@fabrikam.com")
    emulator.control(consent={"tenant": "fabrikam.com", "granted": True})
    with official_client(emulator) as others:
        first = others.set_secret("RefreshToken", seed["refresh_token"])
        identifier = f"{vault_url(emulator)}/secrets/RefreshToken/{first.properties.version}?api-version=7.4"
        one = host("one", 'format = "plain"', store=identifier)
        assert one("token", "fabrikam.com", "--for", "graph").expect().stdout
        assert "version" in one("token", "fabrikam.com", "--for", "arm", "-v").expect().stderr
        assert "take the version out of `store`" in one("status").expect().stderr
        checked = one("doctor", "fabrikam.com", "--json").expect().json["findings"]
        assert [each["level"] for each in checked if each["check"] == "store"] == ["pass", "warn"]
        latest = others.get_secret("RefreshToken")
        assert latest.value
        canary.know("the emulator", str(latest.value))


def test_the_store_s_key_is_a_secret_of_a_vault_and_is_changed_there(
    home: Path, tmp_path: Path, emulator: Emulator
) -> None:
    """The store is a file of this host, and its key is fetched once a process."""
    config = tmp_path / "config.toml"
    config.write_text('key = "keyvault://emulator"\n')
    cli = Cli(home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file), "PARTNERSAM_CONFIG": str(config)})
    consent(cli, emulator).expect()
    assert cli("key", "show", "--json").expect().json["source"] == "keyvault://emulator"
    with official_client(emulator) as others:
        old = str(others.get_secret("partnersam-key").value)
    canary.know("a store", old.strip().rpartition(":")[2])
    assert not any(old.strip().encode() in file.read_bytes() for file in home.rglob("*") if file.is_file())
    calls = len(emulator.vault_calls())
    cli("token", "fabrikam.com", "--for", "graph").expect()
    assert sum(call["status"] == 200 for call in emulator.vault_calls()[calls:]) == 1

    rotated = cli("key", "rotate", "--json").expect().json
    assert (rotated["moved"], rotated["old_key_removed"]) == (1, True)
    with official_client(emulator) as others:
        new = str(others.get_secret("partnersam-key").value)
        usable = [each for each in others.list_properties_of_secret_versions("partnersam-key") if each.enabled]
    canary.know("a store", new.strip().rpartition(":")[2])
    assert new != old
    assert new.count("\n") == 1
    assert len(usable) == 1
    cli("token", "fabrikam.com", "--for", "graph").expect()

    client = emulator.app()["client_id"]
    emulator.control(vaults={"vault": "emulator", "roles": {client: "none"}})
    assert cli("status", "--json").expect(6).json["error"]["id"] == "VaultRoleMissing"
    emulator.control(vaults={"vault": "emulator", "roles": {client: "officer"}})
    with official_client(emulator) as others:
        others.begin_delete_secret("partnersam-key").wait()
    error = cli("status", "--json").expect(6).json["error"]
    assert error["id"] == "StoreKeyMissing"
    config.write_text('key = "https://elsewhere.example/secrets/x"\n')
    assert cli("status", "--json").expect(3).json["error"]["id"] == "ConfigInvalid"
