"""The native half of the package. Public names are given by `partnersam`; names with an underscore are the package's own."""

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar, final, overload

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

from partnersam.exceptions import PartnerSamError

__all__ = [
    "Auth",
    "ConsentLink",
    "Consented",
    "Credential",
    "CustomerStep",
    "DeviceConsent",
    "Explanation",
    "Grant",
    "PartnerApp",
    "Renewed",
    "Token",
    "_Operation",
    "_Starter",
    "__version__",
    "_error_table",
    "_main",
    "_note_fork",
    "_settle",
    "explain",
]

__version__: str

_Request = TypeVar("_Request")
_Result = TypeVar("_Result", covariant=True)
_Mfa = Literal["yes", "no", "unknown"]
_Done = Callable[[Any, BaseException | None], object]

@final
class PartnerApp:
    """One app registration with its store: consents, grants, tokens. Safe to share between threads, and after a fork."""

    @staticmethod
    def from_env(
        *, signer: Callable[[str, bytes], bytes] | None = None, assertion: Callable[[], str] | None = None
    ) -> PartnerApp:
        """The app that the environment and the user's configuration file describe.

        `signer(algorithm, message)` signs with the key of the configuration's `certificate_file` (`PS256` or `RS256`; the message is hashed by it);
        `assertion()` returns an assertion that another identity provider issues. They come before every other credential, and run on threads of their own.
        """

    @staticmethod
    def from_config(
        path: str | os.PathLike[str],
        *,
        signer: Callable[[str, bytes], bytes] | None = None,
        assertion: Callable[[], str] | None = None,
    ) -> PartnerApp:
        """The app that this TOML file describes, then the environment. Callables as in `from_env`."""

    @staticmethod
    def from_dict(
        config: Mapping[str, Any],
        *,
        signer: Callable[[str, bytes], bytes] | None = None,
        assertion: Callable[[], str] | None = None,
    ) -> PartnerApp:
        """Callables as in `from_env`. The app that a mapping with the keys of the configuration file describes, then the environment. It may also hold `client_secret`."""

    @property
    def client_id(self) -> str:
        """The app's client id."""

    @property
    def authority(self) -> str:
        """What issues its tokens: a cloud's name, `emulator`, or `generic:NAME`."""

    @property
    def store(self) -> str:
        """Where its grants are."""

    @property
    def app_credentials(self) -> list[dict[str, Any]]:
        """How the app's credentials stand, the newer first: `credential`, `standing` (`good`, `ends_soon`, `ended`, `unknown`), `expires_on`,
        `expires_in` (seconds), `ends_within_days`, `readable`. Sends nothing.
        """

    def doctor(self, partner: str | None = None, customer: str | None = None) -> dict[str, Any]:
        """Looks at everything that has to be right for a token to come; the document that `partnersam doctor --json` prints. Safe to paste."""

    def check_mfa(self, partner: str) -> str:
        """Asks Partner Center whether it takes this partner's tokens for ones with MFA: `yes`, `no` or `unknown`. The grant remembers a yes and a no."""

    def token(
        self,
        partner: str | None = None,
        audience: str = "graph",
        customer: str | None = None,
        claims: str | None = None,
        fresh: bool = False,
        purpose: str | None = None,
        app_only: bool = False,
    ) -> Token:
        """A token for one service, in the tenant of `customer` or else in the partner's own. The partner may be left out where there is one grant.

        `claims`: a service's WWW-Authenticate header that asks for claims, or the claims in it as JSON; a new token is fetched then.
        `purpose`: a declared purpose; the configuration's own where left out.
        `app_only`: a token of the app alone, without anybody's grant; profile `csp`, its own tenant.
        """

    def credential(
        self, partner: str | None = None, customer: str | None = None, purpose: str | None = None
    ) -> Credential:
        """What azure clients and `requests` are given: tokens of one partner, in its own tenant or in one customer's."""

    def begin_consent(
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
        """Makes a link for the partner: open it, sign in with MFA, and bring the reply to `complete_consent`.

        `claims`: what the sign-in must satisfy, as an error's `claims` has it.
        """

    def complete_consent(self, reply: str | bytes | Mapping[str, str], allow_without_mfa: bool = False) -> Consented:
        """Completes a consent with its reply: a posted form's body, a query, the whole address, or the parsed form."""

    def begin_device_consent(
        self, partner: str, audiences: Iterable[str] = (), purpose: str | None = None
    ) -> DeviceConsent:
        """Begins a consent by device code. Policies may forbid it, and may end its grant later."""

    def complete_device_consent(self, device: DeviceConsent, allow_without_mfa: bool = False) -> Consented:
        """Waits until the person has typed the code and signed in."""

    def grants(self) -> list[Grant]:
        """Every grant there is, without its secret. Sends nothing."""

    def grant(self, partner: str) -> Grant:
        """One partner's grant, without its secret."""

    def import_grant(
        self,
        partner: str,
        refresh_token: str,
        audiences: Iterable[str] = (),
        allow_without_mfa: bool = False,
        purpose: str | None = None,
    ) -> Consented:
        """Takes over a refresh token from elsewhere, once it has proved itself."""

    def plan_import(
        self, partner: str, source: str | bytes | os.PathLike[str], vault_identity: str | None = None
    ) -> dict[str, Any]:
        """Reads where a grant is to come from and says what is there; nothing is redeemed, stored or changed.

        `source` is `keyvault://NAME/secrets/SECRET`, a secret's identifier, `keyring:SERVICE/USER`, a path, or what was in such a place as bytes. The document
        of `partnersam import --dry-run --json`.
        """

    def import_from(
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
        """Moves a grant in from a file, Key Vault or keyring in whatever form another tool keeps it, once it has proved itself.

        `purge` removes the old token after that, and `write_back` puts the new one into the vault's secret instead; how that went is in `moved_in` of the answer,
        which is the document of `partnersam import --json`.
        """

    def renew(self, partner: str) -> int:
        """Uses one partner's grant now, and so gives it its full life again. Returns when it ends (Unix time)."""

    def renew_due(
        self, within_days: int = 0, progress: Callable[[int, int, Renewed], object] | None = None
    ) -> list[Renewed]:
        """Renews every grant that is due within so many days. Calls `progress(done, found, renewed)` as each ends."""

    @overload
    def revoke(
        self, partner: str, *, everywhere: Literal[False] = False, customer_consents: Literal[False] = False
    ) -> bool: ...
    @overload
    def revoke(self, partner: str, *, everywhere: Literal[True], customer_consents: bool = False) -> dict[str, Any]: ...
    @overload
    def revoke(self, partner: str, *, everywhere: bool = False, customer_consents: Literal[True]) -> dict[str, Any]: ...
    @overload
    def revoke(
        self, partner: str, *, everywhere: bool = False, customer_consents: bool = False
    ) -> bool | dict[str, Any]:
        """Removes a partner's grant from this store; false where there was none. At the service it lives on until it is revoked there: `everywhere` ends the
        account's sign-ins, `customer_consents` withdraws what the app is consented to at the partner's customers. With either, what
        `partnersam revoke --json` prints: `removed`, and `steps` with what is left to a person (`by_hand`) or for later (`postponed`).
        """

    def plan_incident(
        self,
        partners: Iterable[str] = (),
        *,
        all: bool = False,
        keep_credential: bool = False,
        customer_consents: bool = False,
    ) -> dict[str, Any]:
        """The steps that an incident would take, for these partners or for all. Sends nothing and changes nothing."""

    def run_incident(
        self,
        partners: Iterable[str] = (),
        *,
        all: bool = False,
        keep_credential: bool = False,
        customer_consents: bool = False,
        evidence: str | os.PathLike[str] | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Takes those steps, leaves a file of evidence, and goes on where an earlier run was cut short: what `partnersam incident --yes --json` prints.
        Calls `progress(step)` as each ends.
        """

    def key_status(self) -> dict[str, Any]:
        """What is known of the store's key, as `partnersam key show --json` prints it: `source`, `held`, `rotation` and `left`."""

    def rotate_key(
        self, *, dry_run: bool = False, to: str | None = None, progress: Callable[[int, int], object] | None = None
    ) -> dict[str, Any]:
        """Gives the store a new key while others go on working with it, or goes on with a change that was cut short: what `partnersam key rotate --json` prints.

        `dry_run`: says what would be done, and does nothing. `to`: the store changes to another source (`keyring`, `file:PATH`, `keyvault://NAME`) that holds
        no key yet, and `config_line` is what the configuration is to say then. Where `prepared_only` is true, the new key was made and no more: it is brought to every other
        host that uses the store, and then the same call goes on. Calls `progress(done, of)` with numbers of grants.
        """

    def retire_key(self) -> dict[str, Any]:
        """Removes from this host's source every key that is not the store's; `old_key_removed` is false where somebody else does that."""

    def export_store(
        self, path: str | os.PathLike[str], *, recipients: Iterable[str] = (), passphrase: str | None = None
    ) -> dict[str, Any]:
        """Writes every grant into a new file that the recipients' identities (age1...) or the passphrase open, and says how many `grants`. They stay here."""

    def import_store(
        self,
        path: str | os.PathLike[str],
        *,
        identity: str | None = None,
        passphrase: str | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Takes the grants of such a file into this store: how many were `taken` and `kept` as they were, and each of them. `identity` is the text of an
        identity file of age. Calls `progress(grant)` with each.
        """

    def audit_verify(self, anchor: str | None = None, from_line: int = 1) -> dict[str, Any]:
        """Checks the audit record from its first line to its last: `whole`, `faults`, `notes`, and `anchor`, its end, to be kept elsewhere.

        `anchor`: such an end that was noted before. `from_line`: the record begins with this line, because earlier files were put elsewhere.
        """

    def audit_show(
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
        """The `lines` of the audit record that are wanted, oldest first, and how many were `unreadable`. Checks nothing."""

    @property
    def store_condition(self) -> dict[str, Any]:
        """How the store is, as far as is known without asking it: `condition` (`ok` or `degraded`), and `error`. Sends nothing."""

    def customers(self, partner: str | None = None, purpose: str | None = None) -> dict[str, Any]:
        """A partner's customers, as `partnersam customers list --json` has them. The partner may be left out where there is one grant."""

    def plan_customers(
        self,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str] = (),
        purpose: str | None = None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Compares what the app is consented to at each customer with what is wanted, and changes nothing: `partnersam customers plan --json`.

        `grants`: the path of a grants file, or its content as a mapping. `progress(done, total, customer)` is called as each is done.
        """

    def apply_customers(
        self,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str] = (),
        purpose: str | None = None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Brings what the app is consented to at each customer to what is wanted, and reads it back: `partnersam customers apply --yes --json`.

        `journal`: where progress is kept instead of the user's data folder, so that a run that was killed goes on; removed at the end.
        """

    def close(self) -> None:
        """Closes it: every later call, also of its credentials, is refused."""

    def __enter__(self) -> PartnerApp: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    def _starter(self) -> _Starter: ...

@final
class Credential:
    """Tokens of one partner, in its own tenant or in one customer's: an azure `TokenCredential` and `SupportsTokenInfo`.

    It has no secret of its own, and closing it closes nothing: the app it came from does.
    """

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        """A token for `scopes`, which must belong to one service: azure-core's AccessToken where azure-core is loaded, a tuple of the same shape where it is not.

        `claims`: what a service challenged for. `tenant_id`: must be the credential's own tenant. `enable_cae` changes nothing: it is always on.
        """

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The same with when to refresh: azure-core's AccessTokenInfo."""

    def auth(self, audience: str = "graph", *, hosts: Iterable[str] = ()) -> Auth:
        """An object that signs the requests of `requests` and `httpx` with this credential's tokens, and only those that go to the audience's own hosts."""

    def close(self) -> None:
        """Does nothing: the app holds the connections."""

    def __enter__(self) -> Credential: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    def _at_hand(self, scopes: tuple[str, ...], info: bool) -> Any: ...
    def _start(
        self, done: _Done, scopes: tuple[str, ...], claims: str | None, tenant_id: str | None, info: bool
    ) -> _Operation[Any]: ...

@final
class Auth:
    """Signs requests: give it as `auth=` to `requests` or `httpx`. It sets the `Authorization` header of a request over https to a host of its audience,
    and refuses every other with HostNotAllowed. Where the answer is a challenge for claims, the request is sent once more with a token that satisfies them.
    """

    def __call__(self, request: _Request) -> _Request: ...
    def sync_auth_flow(self, request: Any) -> Generator[Any, Any]:
        """What httpx goes through for each request."""

    def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """The same for an asynchronous client."""

    def _sign(self, request: Any, challenge: str | None) -> None: ...
    def _check(self, url: str) -> None: ...
    def _allows(self, url: str) -> bool: ...
    def _challenged(self, headers: list[str]) -> bool: ...

@final
class Token:
    """An access token and what is known of it. Times are Unix times, in seconds."""

    @property
    def token(self) -> str:
        """The token itself, for the `Authorization` header."""

    @property
    def expires_on(self) -> int:
        """When it ends."""

    @property
    def refresh_on(self) -> int:
        """From when a new one should be asked for."""

    @property
    def tenant(self) -> str:
        """Id of the tenant it is good in."""

    @property
    def partner(self) -> str:
        """Tenant id of the partner whose grant it came from."""

    @property
    def audience(self) -> str:
        """The service it is for."""

    @property
    def scopes(self) -> list[str]:
        """Scopes it was issued with."""

    @property
    def mfa(self) -> _Mfa:
        """Whether MFA is in it."""

    @property
    def warnings(self) -> list[PartnerSamError]:
        """What went wrong without keeping the token from you."""

@final
class ConsentLink:
    """A link to send to the partner: good once, for one partner, until `expires_on` (Unix time)."""

    @property
    def url(self) -> str:
        """The address to open."""

    @property
    def state(self) -> str:
        """What the reply will repeat."""

    @property
    def partner(self) -> str:
        """Tenant id of the invited partner."""

    @property
    def redirect_uri(self) -> str:
        """Where the reply goes."""

    @property
    def expires_on(self) -> int:
        """When the link ends."""

@final
class Consented:
    """A consent that became a grant."""

    @property
    def partner(self) -> str:
        """Tenant id of the partner."""

    @property
    def name(self) -> str:
        """How the partner was named."""

    @property
    def user_name(self) -> str:
        """Who signed in."""

    @property
    def mfa(self) -> _Mfa:
        """Whether MFA is proved."""

    @property
    def amr(self) -> list[str]:
        """The sign-in methods that the token names."""

    @property
    def expires_on(self) -> int:
        """When the grant ends if it is not used before (Unix time)."""

    @property
    def taints(self) -> list[str]:
        """What makes it weaker than it should be."""

    @property
    def audiences(self) -> dict[str, Token | PartnerSamError]:
        """Each audience asked for, by name: its Token, or the PartnerSamError that says why there is none."""

@final
class DeviceConsent:
    """A consent by device code: show `user_code` and `verification_uri` to the person, then complete it."""

    @property
    def user_code(self) -> str:
        """The code to type."""

    @property
    def verification_uri(self) -> str:
        """Where to type it."""

    @property
    def expires_on(self) -> int:
        """When the code ends (Unix time)."""

@final
class Grant:
    """A partner's grant without its secret. Times are Unix times, in seconds."""

    @property
    def partner(self) -> str:
        """Tenant id of the partner."""

    @property
    def name(self) -> str:
        """By domain where one is known, else by id."""

    @property
    def generation(self) -> int:
        """Counts every change of the record."""

    @property
    def user_oid(self) -> str:
        """Object id of the account that consented."""

    @property
    def user_name(self) -> str:
        """Sign-in name of that account."""

    @property
    def domains(self) -> list[str]:
        """Domains by which the partner was named."""

    @property
    def consented_on(self) -> int:
        """When the person consented."""

    @property
    def mfa(self) -> _Mfa:
        """Whether MFA is proved."""

    @property
    def amr(self) -> list[str]:
        """The sign-in methods that the token named."""

    @property
    def last_redeemed_on(self) -> int:
        """When it last redeemed."""

    @property
    def expires_on(self) -> int:
        """When it ends if it is not used before."""

    @property
    def renew_after(self) -> int:
        """When it should be used to keep it alive."""

    @property
    def audiences(self) -> list[str]:
        """Audiences that were granted, by name."""

    @property
    def purpose(self) -> str:
        """Why the consent was asked for."""

    @property
    def taints(self) -> list[str]:
        """What makes it weaker than it should be."""

    @property
    def state(self) -> Literal["active", "dead"]:
        """`dead` once the service said for good that it cannot be used."""

    @property
    def dead_on(self) -> int | None:
        """When it died."""

    @property
    def dead_reason(self) -> str | None:
        """The kind of error it died of, for example `GrantRevoked`."""

@final
class Renewed:
    """What one renewal came to."""

    @property
    def partner(self) -> str:
        """Tenant id of the partner."""

    @property
    def expires_on(self) -> int | None:
        """When the grant ends now if it is not used before (Unix time); None where it could not be renewed."""

    @property
    def error(self) -> PartnerSamError | None:
        """Why it could not be renewed."""

@final
class Explanation:
    """What one code means, who must act, and the exact next command."""

    @property
    def code(self) -> str:
        """The code as people search for it: `AADSTS50076`, `900421`, `SecretNotFound`, `ConsentRequired`. Empty where the text has ids but no code."""

    @property
    def source(self) -> Literal["entra", "partner_center", "key_vault", "partnersam"]:
        """Whose code it is."""

    @property
    def known(self) -> bool:
        """Whether the table has it."""

    @property
    def class_(self) -> str | None:
        """What kind of remedy helps, for example `reauth`. `class` in the document."""

    @property
    def kind(self) -> str | None:
        """The kind of error that partnersam shows it as, for example `MfaRequired`."""

    @property
    def number(self) -> int | None:
        """That kind's frozen number."""

    @property
    def meaning(self) -> str:
        """What it means, in one sentence."""

    @property
    def actor(self) -> str:
        """Who must act, for example `service_account_owner`."""

    @property
    def who(self) -> str:
        """Who must act, in words."""

    @property
    def retry(self) -> Literal["never", "after", "user_action"] | None:
        """Whether the same call can succeed later."""

    @property
    def advice(self) -> str:
        """What to do."""

    @property
    def command(self) -> str | None:
        """The next command, with `PARTNER`, `CUSTOMER` and `AUDIENCE` for what the failed call was about."""

    @property
    def hint(self) -> str:
        """Who must act and what to do in one sentence, as `PartnerSamError.hint` has it."""

    @property
    def in_customer_tenant(self) -> CustomerStep | None:
        """What helps instead where the token was for a customer's tenant."""

    @property
    def link(self) -> str:
        """Where the service explains it."""

    @property
    def help(self) -> str | None:
        """Where partnersam explains it: an anchor in TROUBLESHOOTING.md."""

    @property
    def text(self) -> str | None:
        """What the service said, its first line."""

    @property
    def error(self) -> str | None:
        """The OAuth error in the text, for example `invalid_grant`."""

    @property
    def suberror(self) -> str | None:
        """The finer class of the error in the text."""

    @property
    def trace_id(self) -> str | None:
        """Id of the request at the service."""

    @property
    def correlation_id(self) -> str | None:
        """Id that ties several requests together."""

    @property
    def timestamp(self) -> str | None:
        """When the service answered, as it wrote it."""

    def to_dict(self) -> dict[str, Any]:
        """The explanation as the flat document that is the same in every language."""

@final
class CustomerStep:
    """What helps in a customer's tenant."""

    @property
    def actor(self) -> str:
        """Who must act, for example `customer_administrator`."""

    @property
    def who(self) -> str:
        """Who must act, in words."""

    @property
    def advice(self) -> str:
        """What to do."""

    @property
    def command(self) -> str:
        """The next command."""

    @property
    def hint(self) -> str:
        """Who must act and what to do in one sentence."""

@final
class _Operation(Generic[_Result]):
    def cancel(self) -> None: ...

@final
class _Starter:
    def token_at_hand(
        self, partner: str | None, audience: str, customer: str | None, purpose: str | None
    ) -> Token | None: ...
    def token(
        self,
        done: _Done,
        partner: str | None,
        audience: str,
        customer: str | None,
        claims: str | None,
        fresh: bool,
        purpose: str | None,
        app_only: bool,
    ) -> _Operation[Token]: ...
    def begin_consent(
        self,
        done: _Done,
        partner: str,
        audiences: Iterable[str],
        redirect_uri: str | None,
        purpose: str | None,
        valid_for: int,
        login_hint: str | None,
        response_mode: str,
        claims: str | None,
    ) -> _Operation[ConsentLink]: ...
    def complete_consent(
        self, done: _Done, reply: str | bytes | Mapping[str, str], allow_without_mfa: bool
    ) -> _Operation[Consented]: ...
    def begin_device_consent(
        self, done: _Done, partner: str, audiences: Iterable[str], purpose: str | None
    ) -> _Operation[DeviceConsent]: ...
    def complete_device_consent(
        self, done: _Done, device: DeviceConsent, allow_without_mfa: bool
    ) -> _Operation[Consented]: ...
    def doctor(self, done: _Done, partner: str | None, customer: str | None) -> _Operation[dict[str, Any]]: ...
    def check_mfa(self, done: _Done, partner: str) -> _Operation[str]: ...
    def grants(self, done: _Done) -> _Operation[list[Grant]]: ...
    def grant(self, done: _Done, partner: str) -> _Operation[Grant]: ...
    def import_grant(
        self,
        done: _Done,
        partner: str,
        refresh_token: str,
        audiences: Iterable[str],
        allow_without_mfa: bool,
        purpose: str | None,
    ) -> _Operation[Consented]: ...
    def plan_import(
        self, done: _Done, partner: str, source: str | bytes | os.PathLike[str], vault_identity: str | None
    ) -> _Operation[dict[str, Any]]: ...
    def import_from(
        self,
        done: _Done,
        partner: str,
        source: str | bytes | os.PathLike[str],
        audiences: Iterable[str],
        allow_without_mfa: bool,
        purpose: str | None,
        vault_identity: str | None,
        write_back: bool,
        purge: bool,
    ) -> _Operation[dict[str, Any]]: ...
    def renew(self, done: _Done, partner: str) -> _Operation[int]: ...
    def renew_due(
        self, done: _Done, within_days: int, progress: Callable[[int, int, Renewed], object] | None
    ) -> _Operation[list[Renewed]]: ...
    def customers(self, done: _Done, partner: str | None, purpose: str | None) -> _Operation[dict[str, Any]]: ...
    def plan_customers(
        self,
        done: _Done,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str],
        purpose: str | None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None,
    ) -> _Operation[dict[str, Any]]: ...
    def apply_customers(
        self,
        done: _Done,
        partner: str | None,
        grants: str | os.PathLike[str] | Mapping[str, Any],
        customers: Iterable[str],
        purpose: str | None,
        progress: Callable[[int, int | None, dict[str, Any]], object] | None,
        journal: str | os.PathLike[str] | None,
    ) -> _Operation[dict[str, Any]]: ...
    def revoke(
        self, done: _Done, partner: str, everywhere: bool, customer_consents: bool
    ) -> _Operation[bool | dict[str, Any]]: ...
    def plan_incident(
        self, done: _Done, partners: Iterable[str], all: bool, keep_credential: bool, customer_consents: bool
    ) -> _Operation[dict[str, Any]]: ...
    def run_incident(
        self,
        done: _Done,
        partners: Iterable[str],
        all: bool,
        keep_credential: bool,
        customer_consents: bool,
        evidence: str | os.PathLike[str] | None,
        progress: Callable[[dict[str, Any]], object] | None,
    ) -> _Operation[dict[str, Any]]: ...
    def key_status(self, done: _Done) -> _Operation[dict[str, Any]]: ...
    def rotate_key(
        self, done: _Done, dry_run: bool, to: str | None, progress: Callable[[int, int], object] | None
    ) -> _Operation[dict[str, Any]]: ...
    def retire_key(self, done: _Done) -> _Operation[dict[str, Any]]: ...
    def export_store(
        self, done: _Done, path: str | os.PathLike[str], recipients: Iterable[str], passphrase: str | None
    ) -> _Operation[dict[str, Any]]: ...
    def import_store(
        self,
        done: _Done,
        path: str | os.PathLike[str],
        identity: str | None,
        passphrase: str | None,
        progress: Callable[[dict[str, Any]], object] | None,
    ) -> _Operation[dict[str, Any]]: ...
    def audit_verify(self, done: _Done, anchor: str | None, from_line: int) -> _Operation[dict[str, Any]]: ...
    def audit_show(
        self,
        done: _Done,
        since: str | None,
        until: str | None,
        partner: str | None,
        customer: str | None,
        purpose: str | None,
        audience: str | None,
        operation: str | None,
        outcome: str | None,
    ) -> _Operation[dict[str, Any]]: ...

def explain(text: str) -> list[Explanation]:
    """Explains a number (`50076`, `AADSTS50076`, `900421`), a name (`SecretNotFound`, `ConsentRequired`) or a whole error text: one explanation for each code
    in it, none where there is neither a code nor the id of a request. Needs no app and sends nothing.
    """

def _after_fork() -> None: ...
def _before_fork() -> None: ...
def _error_table() -> list[tuple[str, PartnerSamError]]: ...
def _main(arguments: list[str]) -> int: ...
def _note_fork() -> None: ...
def _settle() -> None: ...
