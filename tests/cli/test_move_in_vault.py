"""Moving in from a Key Vault: found by name or by the habits of the tools, purged, written back, and not let go."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from cli.consents import consent, status, until
from cli.old_tool import APP_SECRET, OTHER_APP, record, unknown_token

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.key_vault import official_client, vault_url


@pytest.fixture
def token(cli: Cli, emulator: Emulator) -> str:
    return unknown_token(cli, emulator)


def test_a_vault_of_cipp_s_is_moved_in_and_purged(cli: Cli, emulator: Emulator, token: str) -> None:
    with official_client(emulator) as vault:
        for name, value in [
            ("ApplicationID", emulator.app()["client_id"]),
            ("ApplicationSecret", APP_SECRET),
            ("TenantID", emulator.tenant()["id"]),
            ("ExchangeRefreshToken", "not-a-real-exchange-token"),
            ("RefreshToken", "not-a-real-token-from-before"),
            ("RefreshToken", token),
        ]:
            vault.set_secret(name, value)
        answer = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "purged: keyvault://emulator/secrets/RefreshToken: deleted and purged" in answer.stdout
        for name in ["ApplicationSecret", "ExchangeRefreshToken"]:
            assert f"left over: keyvault://emulator/secrets/{name}" in answer.stdout
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret("RefreshToken")
        assert list(vault.list_deleted_secrets()) == []
        assert vault.get_secret("ApplicationSecret").value == APP_SECRET
        again = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "was moved in before" in again.stdout
        vault.set_secret("RefreshToken", token)
        vault.set_secret("ApplicationID", OTHER_APP)
        refused = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--json").expect(3).json["error"]
        assert refused["id"] == "GrantOfAnotherApp"
        vault.set_secret("ApplicationID", emulator.app()["client_id"])
        vault.set_secret("TenantID", emulator.tenant("northwind.example")["id"])
        assert "another partner" in cli("import", "fabrikam.com", "--from", "keyvault://emulator").expect(2).stderr
    cli("token", "fabrikam.com", "--for", "graph").expect()


def test_the_dotnet_sample_s_settings_lead_to_its_vault(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    app, tenant = emulator.app(), emulator.tenant()["id"]
    file = home / "App.config"
    file.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <add key="ida:CPVApplicationId" value="{app["client_id"]}" />
    <add key="ida:CPVApplicationSecret" value="{html.escape(app["client_secret"])}" />
    <add key="KeyVaultEndpoint" value="{vault_url(emulator)}" />
    <add key="ida:KeyVaultTenantId" value="{app["tenant"]}" />
    <add key="ida:KeyVaultClientId" value="{app["client_id"]}" />
    <add key="ida:KeyVaultClientSecret" value="{html.escape(app["client_secret"])}" />
  </appSettings>
</configuration>"""
    )
    before = file.read_bytes()
    with official_client(emulator) as vault:
        vault.set_secret(tenant, token)
        # The samples' app opens the vault: nothing else may.
        emulator.control(vaults={"vault": "emulator", "roles": {app["client_id"]: "officer"}})
        answer = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
        assert f"purged: keyvault://emulator/secrets/{tenant}: deleted and purged" in answer.stdout
        assert f"left over: {file}, field ida:KeyVaultClientSecret: a secret" in answer.stdout
        assert file.read_bytes() == before
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret(tenant)


def test_a_tool_that_goes_on_gets_the_new_token(cli: Cli, emulator: Emulator, token: str) -> None:
    source = f"{vault_url(emulator)}/secrets/RefreshToken"
    with official_client(emulator) as vault:
        first = vault.set_secret("RefreshToken", token, content_type="text/x-old-tool", tags={"owner": "old tool"})
        answer = cli("import", "fabrikam.com", "--from", source, "--write-back").expect()
        assert "written back: keyvault://emulator/secrets/RefreshToken: written as a new version" in answer.stdout
        assert "stays good at Microsoft" in answer.stderr
        latest = vault.get_secret("RefreshToken")
        canary.know("the old tool", str(latest.value))
        assert latest.properties.version != first.properties.version
        assert (latest.properties.content_type, latest.properties.tags) == ("text/x-old-tool", {"owner": "old tool"})
        assert latest.value not in (token, None)
        # What was written back redeems: it is no echo of the old one.
        cli("revoke", "fabrikam.com", "--yes").expect()
        cli("import", "fabrikam.com", stdin=str(latest.value)).expect()
    assert [each["outcome"] for each in record(cli, "write-back")] == ["begun", "ok"]


def test_a_vault_that_does_not_let_go_is_told_of(cli: Cli, emulator: Emulator, token: str) -> None:
    with official_client(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        emulator.control(vaults={"vault": "emulator", "roles": {emulator.app()["client_id"]: "user"}})
        refused = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes", "--json").expect(1)
        error = refused.json["moved_in"]["purged"]["error"]
        context = (
            {each["name"]: each["value"] for each in error["context"]}
            if isinstance(error["context"], list)
            else error["context"]
        )
        assert (error["id"], context["reason"]) == ("OldTokenRemains", "VaultRoleMissing")
        assert [each["condition"] for each in status(cli)] == ["active"]
        emulator.control(
            vaults={"vault": "emulator", "roles": {emulator.app()["client_id"]: "officer"}, "purge_protection": True}
        )
        kept = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "the vault keeps it recoverable until its retention ends" in kept.stdout


def test_the_store_s_own_secrets_are_not_moved_in(cli: Cli, emulator: Emulator, home: Path) -> None:
    config = home / "vault.toml"
    config.write_text(f'store = "keyvault://emulator"\naudit = "{home}/record"\n[vault]\nbeside = "{home}/v/v.db"\n')
    stored = cli.with_env(PARTNERSAM_CONFIG=config)
    consent(stored, emulator).expect()
    with official_client(emulator) as vault:
        names = sorted(str(each.name) for each in vault.list_properties_of_secrets())
        for name in names:
            answer = stored(
                "import", "fabrikam.com", "--from", f"keyvault://emulator/secrets/{name}", "--purge", "--yes"
            )
            assert "already" in answer.expect(2).stderr
        assert sorted(str(each.name) for each in vault.list_properties_of_secrets()) == names


def test_a_purge_of_a_vault_that_is_killed_is_finished_by_the_next(cli: Cli, emulator: Emulator, token: str) -> None:
    with official_client(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        emulator.control(vaults={"vault": "emulator", "lag": 5})
        emulator.forget_calls()
        command = ["import", "fabrikam.com", "--from", "keyvault://emulator/secrets/RefreshToken", "--purge", "--yes"]
        with cli.start(*command) as process:
            until(
                process,
                lambda: (
                    "deleted"
                    if any(each["method"] == "DELETE" and each["status"] == 200 for each in emulator.vault_calls())
                    else ""
                ),
            )
            process.kill()
        until_deleted(vault, "RefreshToken")
        assert [each["condition"] for each in status(cli)] == ["active"]
        assert "was moved in before" in cli(*command).expect().stdout
        assert list(vault.list_deleted_secrets()) == []


def until_deleted(vault: SecretClient, name: str) -> None:
    """A vault takes some requests to delete."""
    for _ in range(20):
        try:
            vault.get_deleted_secret(name)
        except ResourceNotFoundError:
            continue
        return
    raise AssertionError("the vault did not delete")


def test_who_opens_the_vault_can_be_named(cli: Cli, emulator: Emulator, token: str) -> None:
    managed, app = emulator.ready["managed_identity"], emulator.app()["client_id"]
    here = cli.with_env(IDENTITY_ENDPOINT=managed["endpoint"], IDENTITY_HEADER=managed["header"])
    command = ["import", "fabrikam.com", "--from", "keyvault://emulator/secrets/RefreshToken", "--purge", "--yes"]
    with official_client(emulator) as vault:
        vault.set_secret("RefreshToken", token)
    emulator.control(vaults={"vault": "emulator", "roles": {app: "none", managed["client_id"]: "officer"}})
    refused = here(*command, "--json").expect(6).json["error"]
    assert refused["id"] == "VaultRoleMissing"
    assert status(cli) == []
    emulator.forget_calls()
    answer = here(*command, "--vault-identity", "managed-identity").expect()
    assert "deleted and purged" in answer.stdout
    assert {each["client_id"] for each in emulator.vault_calls() if each["status"] == 200} == {managed["client_id"]}
    assert "use app, managed-identity" in here(*command, "--vault-identity", "password").expect(2).stderr


def test_two_secrets_that_may_hold_the_token_are_not_guessed_between(cli: Cli, emulator: Emulator, token: str) -> None:
    with official_client(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        vault.set_secret(emulator.tenant()["id"], "not-a-real-token-from-before")
        refused = cli("import", "fabrikam.com", "--from", "keyvault://emulator").expect(2)
        assert "--from keyvault://emulator/secrets/" in refused.stderr
        cli("import", "fabrikam.com", "--from", "keyvault://emulator/secrets/refreshtoken").expect()
        # The older version of a secret may be named, too; it is the whole secret that a purge would delete.
        older = vault.get_secret("RefreshToken").properties.version
        vault.set_secret("RefreshToken", "not-a-real-token-that-is-newer")
        cli("import", "fabrikam.com", "--from", f"{vault_url(emulator)}/secrets/RefreshToken/{older}").expect()
