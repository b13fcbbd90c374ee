"""What can go wrong, as exceptions: one class per category, and every field of the error in each.

The numbers, ids and hints are the same in every language; TROUBLESHOOTING.md explains each.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = [
    "CallerError",
    "IdentityError",
    "InternalError",
    "PartnerCenterError",
    "PartnerSamError",
    "PartnerSamWarning",
    "StoreError",
    "TransportError",
]


class PartnerSamError(Exception):
    """Whatever partnersam raises. Never holds a secret: not in its text, its repr, a field or a cause."""

    schema_version: int
    number: int
    """Frozen for ever, for example 2001."""
    id: str
    """For example `ConsentRequired`."""
    category: str
    """`caller`, `identity`, `partner_center`, `transport`, `store` or `internal`."""
    retry: str
    """`never`, `after` (try again later) or `user_action` (once a person has acted)."""
    actor: str
    """Who must act, for example `service_account_owner`."""
    operation: str
    """What was being done, for example `token`."""
    message: str
    """One sentence."""
    hint: str
    """What to do about it."""
    help: str
    """Where it is explained: an anchor in TROUBLESHOOTING.md."""
    retry_after: int | None
    """Seconds to wait, where the service said so."""
    http_status: int | None
    service_code: str | None
    """The service's own code, for example Partner Center's 900421."""
    entra_error: str | None
    """Entra's OAuth error, for example `invalid_grant`."""
    entra_codes: list[int]
    """All AADSTS numbers, the most specific first."""
    suberror: str | None
    trace_id: str | None
    correlation_id: str | None
    timestamp: str | None
    claims: str | None
    """Claims that the next sign-in must satisfy, as JSON."""
    context: dict[str, str]
    """Facts around it, for example the partner."""
    causes: list[str]
    """What lies underneath, outermost first."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        Exception.__init__(self, document["message"])
        self._document = dict(document)
        self.__dict__.update(self._document)

    def to_dict(self) -> dict[str, Any]:
        """The error as the flat document that is the same in every language."""
        return dict(self._document)

    def __str__(self) -> str:
        facts = "".join(f" [{key}: {value}]" for key, value in self.context.items())
        return f"{self.message}{facts} ({self.id} {self.number}; {self.hint})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} ({self.number}) in {self.operation}: {self.message}>"

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], PartnerSamError], tuple[dict[str, Any]]]:
        return from_document, (self._document,)


class CallerError(PartnerSamError, ValueError):
    """The call or the configuration is wrong."""


class IdentityError(PartnerSamError):
    """Consent, sign-in, app registration. Also azure-core's `ClientAuthenticationError` where azure-core is loaded."""


class PartnerCenterError(PartnerSamError):
    """The Partner Center API refused."""


class TransportError(PartnerSamError):
    """The network, TLS, or the service's health."""


class StoreError(PartnerSamError):
    """The place where grants are kept, or its key."""


class InternalError(PartnerSamError):
    """A defect of partnersam."""


class PartnerSamWarning(UserWarning):
    """A token was had, but something beside it went wrong: above all, a store that could not be written."""


_CLASSES: dict[str, type[PartnerSamError]] = {
    "caller": CallerError,
    "identity": IdentityError,
    "partner_center": PartnerCenterError,
    "transport": TransportError,
    "store": StoreError,
    "internal": InternalError,
}


def from_document(document: Mapping[str, Any]) -> PartnerSamError:
    """The exception for an error's document, as `PartnerSamError.to_dict` gives it."""
    kind = _CLASSES.get(document["category"], PartnerSamError)
    if kind is IdentityError:
        kind = _identity_error()
    return kind(document)


_azure_identity_error: type[IdentityError] | None = None


def _identity_error() -> type[IdentityError]:
    """IdentityError, or the class that is azure-core's too: who catches azure-core's has imported it by now."""
    global _azure_identity_error
    if _azure_identity_error is None:
        azure = getattr(sys.modules.get("azure.core.exceptions"), "ClientAuthenticationError", None)
        if azure is None:
            return IdentityError
        _azure_identity_error = _with_azure(azure)
    return _azure_identity_error


def _with_azure(azure: type[Exception]) -> type[IdentityError]:
    def init(self: PartnerSamError, document: Mapping[str, Any]) -> None:
        # azure-core's own fields first (response, reason, ...), then ours over them.
        azure.__init__(self, document["message"])
        PartnerSamError.__init__(self, document)
        self.__dict__["status_code"] = document["http_status"]

    body = {"__init__": init, "__module__": __name__, "__doc__": IdentityError.__doc__, "__qualname__": "IdentityError"}
    made: type[IdentityError] = type("IdentityError", (IdentityError, azure), body)
    return made
