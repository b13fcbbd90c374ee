"""The emulator's Key Vault as others use it: by the official client, at the vault's own address."""

from __future__ import annotations

from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from harness.emulator import Emulator


def official_client(emulator: Emulator) -> SecretClient:
    """As another tool would open the vault `emulator`, with the app's secret."""
    app, ca = emulator.app(), str(emulator.ca_file)
    credential = ClientSecretCredential(
        app["tenant"],
        app["client_id"],
        app["client_secret"],
        authority=emulator.authority,
        disable_instance_discovery=True,
        connection_verify=ca,
    )
    return SecretClient(
        emulator.ready["key_vault"],
        credential,
        connection_verify=ca,
        verify_challenge_resource=False,
        api_version="7.4",
    )


def vault_url(emulator: Emulator) -> str:
    """`emulator` at its own host name and at the bare port are one vault, which others' clients reach without a resolver."""
    return f"https://emulator.vault.localhost:{emulator.ready['key_vault'].rsplit(':', 1)[1]}"
