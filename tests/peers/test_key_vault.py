"""azure-keyvault-secrets, unchanged, against the emulator, with its public options only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from harness.emulator import Emulator


def credential(emulator: Emulator, profile: str = "cpv") -> ClientSecretCredential:
    app = emulator.app(profile)
    return ClientSecretCredential(
        app["tenant"],
        app["client_id"],
        app["client_secret"],
        authority=emulator.authority,
        disable_instance_discovery=True,
        connection_verify=str(emulator.ca_file),
    )


def client(emulator: Emulator, **options: Any) -> SecretClient:
    """The vault `emulator`: its host is none of Key Vault's, so the check of the challenge's resource has to be off."""
    options.setdefault("verify_challenge_resource", False)
    return SecretClient(
        options.pop("vault_url", emulator.ready["key_vault"]),
        options.pop("credential", None) or credential(emulator),
        connection_verify=str(emulator.ca_file),
        retry_total=0,
        **options,
    )


def refusal(error: HttpResponseError) -> tuple[int | None, str]:
    assert error.error is not None
    return error.status_code, error.error.innererror["code"]


@pytest.fixture
def vault(emulator: Emulator) -> Iterator[SecretClient]:
    with client(emulator) as opened:
        yield opened


def test_a_secret_goes_through_its_life(vault: SecretClient) -> None:
    expires = datetime(2027, 1, 31, tzinfo=timezone.utc)
    first = vault.set_secret("a-secret", "not-a-real-value-1")
    second = vault.set_secret(
        "a-secret", "not-a-real-value-2", content_type="text/plain", tags={"kind": "test"}, expires_on=expires
    )
    got = vault.get_secret("A-SECRET")
    assert (got.value, got.properties.version) == ("not-a-real-value-2", second.properties.version)
    assert (got.properties.content_type, got.properties.tags, got.properties.expires_on) == (
        "text/plain",
        {"kind": "test"},
        expires,
    )
    assert vault.get_secret("a-secret", first.properties.version).value == "not-a-real-value-1"
    vault.update_secret_properties("a-secret", first.properties.version, enabled=False)
    versions = {each.version: each.enabled for each in vault.list_properties_of_secret_versions("a-secret")}
    assert versions == {first.properties.version: False, second.properties.version: True}
    with pytest.raises(HttpResponseError) as disabled:
        vault.get_secret("a-secret", first.properties.version)
    assert refusal(disabled.value) == (403, "SecretDisabled")


def test_lists_are_followed_over_their_pages(vault: SecretClient) -> None:
    names = {f"secret-{number}" for number in range(60)}
    for name in names:
        vault.set_secret(name, "not-a-real-value")
    assert {each.name for each in vault.list_properties_of_secrets()} == names
    assert {each.name for each in vault.list_properties_of_secrets(max_page_size=7)} == names


def test_soft_delete_and_what_follows(emulator: Emulator, vault: SecretClient) -> None:
    emulator.control(vaults={"vault": "emulator", "lag": 1})
    vault.set_secret("a-secret", "not-a-real-value")
    vault.begin_delete_secret("a-secret", _polling_interval=0).wait()
    with pytest.raises(ResourceNotFoundError):
        vault.get_secret("a-secret")
    with pytest.raises(ResourceExistsError) as taken:
        vault.set_secret("a-secret", "another")
    assert refusal(taken.value) == (409, "ObjectIsDeletedButRecoverable")
    assert [each.name for each in vault.list_deleted_secrets()] == ["a-secret"]
    vault.begin_recover_deleted_secret("a-secret", _polling_interval=0).wait()
    assert vault.get_secret("a-secret").value == "not-a-real-value"
    backup = vault.backup_secret("a-secret")
    vault.begin_delete_secret("a-secret", _polling_interval=0).wait()
    vault.purge_deleted_secret("a-secret")
    assert vault.restore_secret_backup(backup).name == "a-secret"


def test_who_may_not_is_told_by_whom(emulator: Emulator, vault: SecretClient) -> None:
    app = emulator.app("cpv")["client_id"]
    changes: list[tuple[dict[str, Any], str]] = [
        ({"roles": {app: "none"}}, "ForbiddenByRbac"),
        ({"access_policies": {}}, "AccessDenied"),
        ({"firewall": True}, "ForbiddenByFirewall"),
    ]
    for change, code in changes:
        emulator.control(vaults={"vault": "emulator", **change})
        with pytest.raises(HttpResponseError) as refused:
            vault.get_secret("a-secret")
        assert refusal(refused.value) == (403, code)


def test_a_vault_has_a_host_of_its_own_and_the_challenge_is_checked_against_it(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def local(host: str | bytes | None, *more: Any, **named: Any) -> Any:
        # RFC 6761: names under localhost are this machine; not every resolver knows.
        is_vault = isinstance(host, str) and host.endswith(".vault.localhost")
        return resolve("127.0.0.1" if is_vault else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    port = emulator.ready["key_vault"].rsplit(":", 1)[1]
    url = f"https://my-vault.vault.localhost:{port}"
    with client(emulator, vault_url=url, verify_challenge_resource=True) as own, client(emulator) as other:
        own.set_secret("a-secret", "not-a-real-value")
        assert str(own.get_secret("a-secret").id).startswith(f"{url}/secrets/a-secret/")
        assert list(other.list_properties_of_secrets()) == []
    emulator.control(vaults={"vault": "hostile", "challenge": {"resource": "https://vault.evil.example"}})
    hostile = url.replace("my-vault", "hostile")
    with (
        client(emulator, vault_url=hostile, verify_challenge_resource=True) as careful,
        pytest.raises(ValueError, match="does not match the requested domain"),
    ):
        careful.get_secret("a-secret")


def test_the_first_request_brings_no_body(emulator: Emulator, vault: SecretClient) -> None:
    vault.set_secret("a-secret", "not-a-real-value")
    first, second = emulator.vault_calls()
    assert (first["status"], first["body_bytes"]) == (401, 0)
    assert second["status"] == 200
    assert second["body_bytes"] > 0


def test_another_tenants_identity_is_refused(emulator: Emulator) -> None:
    with client(emulator, credential=credential(emulator, "csp")) as foreign, pytest.raises(ClientAuthenticationError):
        foreign.get_secret("a-secret")


def test_a_managed_identity_opens_a_vault(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = emulator.ready["managed_identity"]
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["header"])
    managed = ManagedIdentityCredential(connection_verify=str(emulator.ca_file))
    with client(emulator, credential=managed) as vault:
        vault.set_secret("a-secret", "not-a-real-value")
    last = emulator.vault_calls()[-1]
    assert (last["status"], last["client_id"]) == (200, identity["client_id"])
