"""The same for asyncio: PartnerApp and Credential with the same names, to be awaited.

    async with PartnerApp.from_env() as app:
        token = await app.token("fabrikam.com", "graph", customer="contoso.com")

Opening an app is no coroutine: it reads its configuration and opens its store, and sends nothing. A task that is cancelled loses
nothing that was redeemed on its behalf: the new grant is saved all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from partnersam import _native

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    import httpx
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

    from partnersam import Consented, ConsentLink, DeviceConsent, Grant, Renewed, Token

__all__ = ["Credential", "PartnerApp"]

T = TypeVar("T")


class PartnerApp:
    """One app registration with its store: consents, grants, tokens."""

    def __init__(self, app: _native.PartnerApp) -> None:
        """Twin of an app that is open; both share it, and closing either closes it."""
        self._app = app
        self._starter = app._starter()

    @classmethod
    def from_env(
        cls, *, signer: Callable[[str, bytes], bytes] | None = None, assertion: Callable[[], str] | None = None
    ) -> PartnerApp:
        """The app that the environment and the user's configuration file describe."""
        return cls(_native.PartnerApp.from_env(signer=signer, assertion=assertion))

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str],
        *,
        signer: Callable[[str, bytes], bytes] | None = None,
        assertion: Callable[[], str] | None = None,
    ) -> PartnerApp:
        """The app that this TOML file describes, then the environment."""
        return cls(_native.PartnerApp.from_config(path, signer=signer, assertion=assertion))

    @classmethod
    def from_dict(
        cls,
        config: Mapping[str, Any],
        *,
        signer: Callable[[str, bytes], bytes] | None = None,
        assertion: Callable[[], str] | None = None,
    ) -> PartnerApp:
        """The app that a mapping with the keys of the configuration file describes, then the environment."""
        return cls(_native.PartnerApp.from_dict(config, signer=signer, assertion=assertion))

    @property
    def client_id(self) -> str:
        """The app's client id."""
        return self._app.client_id

    @property
    def authority(self) -> str:
        """What issues its tokens: a cloud's name, `emulator`, or `generic:NAME`."""
        return self._app.authority

    @property
    def store(self) -> str:
        """Where its grants are."""
        return self._app.store

    @property
    def app_credentials(self) -> list[dict[str, Any]]:
        """How the app's credentials stand, the newer first. Sends nothing."""
        return self._app.app_credentials

    async def doctor(self, partner: str | None = None, customer: str | None = None) -> dict[str, Any]:
        """Looks at everything that has to be right for a token to come; the document that `partnersam doctor --json` prints."""
        return await _ended(self._starter.doctor, partner, customer)

    async def check_mfa(self, partner: str) -> str:
        """Asks Partner Center whether it takes this partner's tokens for ones with MFA: `yes`, `no` or `unknown`."""
        return await _ended(self._starter.check_mfa, partner)

    async def token(
        self,
        partner: str | None = None,
        audience: str = "graph",
        customer: str | None = None,
        claims: str | None = None,
        fresh: bool = False,
        purpose: str | None = None,
        app_only: bool = False,
    ) -> Token:
        """A token for one service, in the tenant of `customer` or else in the partner's own."""
        if claims is None and not fresh and not app_only:
            at_hand = self._starter.token_at_hand(partner, audience, customer, purpose)
            if at_hand is not None:
                return at_hand
        return await _ended(self._starter.token, partner, audience, customer, claims, fresh, purpose, app_only)

    def credential(
        self, partner: str | None = None, customer: str | None = None, purpose: str | None = None
    ) -> Credential:
        """What azure's asynchronous clients are given: tokens of one partner, in its own tenant or in one customer's."""
        return Credential(self._app.credential(partner, customer, purpose))

    async def begin_consent(
        self,
        partner: str,
        audiences: Iterable[str] = (),
        redirect_uri: str | None = None,
        purpose: str | None = None,
        valid_for: int = 3600,
        login_hint: str | None = None,
        response_mode: str = "form_post",
        claims: str | None = None,
    ) -> ConsentLink:
        """Makes a link for the partner: open it, sign in with MFA, and bring the reply to `complete_consent`."""
        asked = (partner, list(audiences), redirect_uri, purpose, valid_for, login_hint, response_mode, claims)
        return await _ended(self._starter.begin_consent, *asked)

    async def complete_consent(
        self, reply: str | bytes | Mapping[str, str], allow_without_mfa: bool = False
    ) -> Consented:
        """Completes a consent with its reply: a posted form's body, a query, the whole address, or the parsed form."""
        return await _ended(self._starter.complete_consent, reply, allow_without_mfa)

    async def begin_device_consent(
        self, partner: str, audiences: Iterable[str] = (), purpose: str | None = None
    ) -> DeviceConsent:
        """Begins a consent by device code. Policies may forbid it, and may end its grant later."""
        return await _ended(self._starter.begin_device_consent, partner, list(audiences), purpose)

    async def complete_device_consent(self, device: DeviceConsent, allow_without_mfa: bool = False) -> Consented:
        """Waits until the person has typed the code and signed in."""
        return await _ended(self._starter.complete_device_consent, device, allow_without_mfa)

    async def grants(self) -> list[Grant]:
        """Every grant there is, without its secret. Sends nothing."""
        return await _ended(self._starter.grants)

    async def grant(self, partner: str) -> Grant:
        """One partner's grant, without its secret."""
        return await _ended(self._starter.grant, partner)

    async def import_grant(
        self,
        partner: str,
        refresh_token: str,
        audiences: Iterable[str] = (),
        allow_without_mfa: bool = False,
        purpose: str | None = None,
    ) -> Consented:
        """Takes over a refresh token from elsewhere, once it has proved itself."""
        asked = (partner, refresh_token, list(audiences), allow_without_mfa, purpose)
        return await _ended(self._starter.import_grant, *asked)

    async def plan_import(
        self, partner: str, source: str | bytes | os.PathLike[str], vault_identity: str | None = None
    ) -> dict[str, Any]:
        """Reads where a grant is to come from and says what is there; nothing is redeemed, stored or changed."""
        return await _ended(self._starter.plan_import, partner, source, vault_identity)

    async def import_from(
        self,
        partner: str,
        source: str | bytes | os.PathLike[str],
        audiences: Iterable[str] = (),
        allow_without_mfa: bool = False,
        purpose: str | None = None,
        vault_identity: str | None = None,
        write_back: bool = False,
        purge: bool = False,
    ) -> dict[str, Any]:
        """Moves a grant in from a file, Key Vault or keyring in whatever form another tool keeps it, once it has proved itself."""
        return await _ended(
            self._starter.import_from,
            partner,
            source,
            list(audiences),
            allow_without_mfa,
            purpose,
            vault_identity,
            write_back,
            purge,
        )

    async def renew(self, partner: str) -> int:
        """Uses one partner's grant now, and so gives it its full life again. Returns when it ends (Unix time)."""
        return await _ended(self._starter.renew, partner)

    async def renew_due(
        self, within_days: int = 0, progress: Callable[[int, int, Renewed], object] | None = None
    ) -> list[Renewed]:
        """Renews every grant that is due within so many days. Calls `progress(done, found, renewed)` in the event loop as each ends."""
        loop = asyncio.get_running_loop()

        def tell(done: int, found: int, renewed: Renewed) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, done, found, renewed)

        return await _ended(self._starter.renew_due, within_days, tell)

    @overload
    async def revoke(
        self, partner: str, *, everywhere: Literal[False] = False, customer_consents: Literal[False] = False
    ) -> bool: ...
    @overload
    async def revoke(
        self, partner: str, *, everywhere: Literal[True], customer_consents: bool = False
    ) -> dict[str, Any]: ...
    @overload
    async def revoke(
        self, partner: str, *, everywhere: bool = False, customer_consents: Literal[True]
    ) -> dict[str, Any]: ...
    @overload
    async def revoke(
        self, partner: str, *, everywhere: bool = False, customer_consents: bool = False
    ) -> bool | dict[str, Any]: ...
    async def revoke(
        self, partner: str, *, everywhere: bool = False, customer_consents: bool = False
    ) -> bool | dict[str, Any]:
        """Removes a partner's grant from this store; at the service it lives on unless `everywhere` ends the account's sign-ins."""
        return await _ended(self._starter.revoke, partner, everywhere, customer_consents)

    async def plan_incident(
        self,
        partners: Iterable[str] = (),
        *,
        all: bool = False,
        keep_credential: bool = False,
        customer_consents: bool = False,
    ) -> dict[str, Any]:
        """The steps that an incident would take, for these partners or for all. Sends nothing and changes nothing."""
        return await _ended(self._starter.plan_incident, partners, all, keep_credential, customer_consents)

    async def run_incident(
        self,
        partners: Iterable[str] = (),
        *,
        all: bool = False,
        keep_credential: bool = False,
        customer_consents: bool = False,
        evidence: str | os.PathLike[str] | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Takes those steps, and goes on where an earlier run was cut short. Calls `progress(step)` in the event loop as each ends."""
        loop = asyncio.get_running_loop()

        def tell(step: dict[str, Any]) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, step)

        asked = (partners, all, keep_credential, customer_consents, evidence, tell)
        return await _ended(self._starter.run_incident, *asked)

    async def key_status(self) -> dict[str, Any]:
        """What is known of the store's key: where it lives, and whether it is being changed."""
        return await _ended(self._starter.key_status)

    async def rotate_key(
        self, *, dry_run: bool = False, to: str | None = None, progress: Callable[[int, int], object] | None = None
    ) -> dict[str, Any]:
        """Gives the store a new key, or goes on with a change that was cut short. Calls `progress(done, of)` in the event loop."""
        loop = asyncio.get_running_loop()

        def tell(done: int, of: int) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, done, of)

        return await _ended(self._starter.rotate_key, dry_run, to, tell)

    async def retire_key(self) -> dict[str, Any]:
        """Removes from this host's source every key that is not the store's."""
        return await _ended(self._starter.retire_key)

    async def export_store(
        self, path: str | os.PathLike[str], *, recipients: Iterable[str] = (), passphrase: str | None = None
    ) -> dict[str, Any]:
        """Writes every grant into a new file that the recipients' identities or the passphrase open."""
        return await _ended(self._starter.export_store, path, recipients, passphrase)

    async def import_store(
        self,
        path: str | os.PathLike[str],
        *,
        identity: str | None = None,
        passphrase: str | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Takes the grants of such a file into this store. Calls `progress(grant)` in the event loop with each."""
        loop = asyncio.get_running_loop()

        def tell(grant: dict[str, Any]) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, grant)

        return await _ended(self._starter.import_store, path, identity, passphrase, tell)

    async def audit_verify(self, anchor: str | None = None, from_line: int = 1) -> dict[str, Any]:
        """Checks the audit record from its first line to its last."""
        return await _ended(self._starter.audit_verify, anchor, from_line)

    async def audit_show(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        partner: str | None = None,
        customer: str | None = None,
        purpose: str | None = None,
        audience: str | None = None,
        operation: str | None = None,
        outcome: str | None = None,
    ) -> dict[str, Any]:
        """The lines of the audit record that are wanted, oldest first. Checks nothing."""
        asked = (since, until, partner, customer, purpose, audience, operation, outcome)
        return await _ended(self._starter.audit_show, *asked)

    @property
    def store_condition(self) -> dict[str, Any]:
        """How the store is, as far as is known without asking it. Sends nothing."""
        return self._app.store_condition

    async def customers(self, partner: str | None = None, purpose: str | None = None) -> dict[str, Any]:
        """A partner's customers. The partner may be left out where there is one grant."""
        return await _ended(self._starter.customers, partner, purpose)

    async def plan_customers(
        self,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str] = (),
        purpose: str | None = None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Compares what the app is consented to at each customer with what is wanted. Calls `progress(done, total, customer)` in the event loop."""
        tell = _in_loop(progress)
        return await _ended(self._starter.plan_customers, partner, grants, customers, purpose, tell)

    async def apply_customers(
        self,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str] = (),
        purpose: str | None = None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Brings what the app is consented to at each customer to what is wanted, and reads it back."""
        tell = _in_loop(progress)
        return await _ended(self._starter.apply_customers, partner, grants, customers, purpose, tell, journal)

    async def close(self) -> None:
        """Closes it: every later call, also of its credentials, is refused."""
        await asyncio.to_thread(self._app.close)

    async def __aenter__(self) -> PartnerApp:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"aio.{self._app!r}"


class Credential:
    """Tokens of one partner, in its own tenant or in one customer's: an azure `AsyncTokenCredential` and `AsyncSupportsTokenInfo`."""

    def __init__(self, credential: _native.Credential) -> None:
        """Twin of a credential."""
        self._credential = credential

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        """A token for `scopes`, which must belong to one service."""
        token: AccessToken = await self._get(scopes, claims, tenant_id, False)
        return token

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The same with when to refresh."""
        asked = options or {}
        token: AccessTokenInfo = await self._get(scopes, asked.get("claims"), asked.get("tenant_id"), True)
        return token

    async def _get(self, scopes: tuple[str, ...], claims: str | None, tenant_id: str | None, info: bool) -> Any:
        if not claims and not tenant_id:
            at_hand = self._credential._at_hand(scopes, info)
            if at_hand is not None:
                return at_hand
        return await _ended(self._credential._start, scopes, claims, tenant_id, info)

    def auth(self, audience: str = "graph", *, hosts: Iterable[str] = ()) -> httpx.Auth:
        """Signs the requests of an `httpx.AsyncClient`, and only those that go to the audience's own hosts."""
        from partnersam._httpx_auth import AsyncAuth

        return AsyncAuth(self, audience, self._credential.auth(audience, hosts=hosts))

    async def close(self) -> None:
        """Does nothing: the app holds the connections."""

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        pass

    def __repr__(self) -> str:
        return f"aio.{self._credential!r}"


def _in_loop(
    progress: Callable[[int, int | None, dict[str, Any]], object] | None,
) -> Callable[[int, int | None, dict[str, Any]], object]:
    """Calls `progress` in the event loop, whichever thread tells."""
    loop = asyncio.get_running_loop()

    def tell(done: int, total: int | None, customer: dict[str, Any]) -> None:
        if progress is not None:
            loop.call_soon_threadsafe(progress, done, total, customer)

    return tell


async def _ended(start: Callable[..., _native._Operation[T]], *arguments: Any) -> T:
    """Starts an operation, and gives its end as a coroutine does."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def done(value: Any, error: BaseException | None) -> None:
        loop.call_soon_threadsafe(_end, future, value, error)

    operation = start(done, *arguments)
    try:
        return await future
    except asyncio.CancelledError:
        operation.cancel()
        raise


def _end(future: asyncio.Future[T], value: T, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
