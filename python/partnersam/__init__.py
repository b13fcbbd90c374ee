"""One consent with MFA, access tokens ever after, no password anywhere: the Secure Application Model for Microsoft partners.

    from partnersam import PartnerApp

    app = PartnerApp.from_env()
    credential = app.credential("fabrikam.com", customer="contoso.com")  # an azure TokenCredential
    requests.get("https://graph.microsoft.com/v1.0/organization", auth=credential.auth("graph"))

`partnersam.aio` is the same for asyncio.
"""

from __future__ import annotations

import atexit
import os

from partnersam import _native
from partnersam._native import (
    Auth,
    Consented,
    ConsentLink,
    Credential,
    CustomerStep,
    DeviceConsent,
    Explanation,
    Grant,
    PartnerApp,
    Renewed,
    Token,
    __version__,
    explain,
)
from partnersam.exceptions import (
    CallerError,
    IdentityError,
    InternalError,
    PartnerCenterError,
    PartnerSamError,
    PartnerSamWarning,
    StoreError,
    TransportError,
)

__all__ = [
    "Auth",
    "CallerError",
    "ConsentLink",
    "Consented",
    "Credential",
    "CustomerStep",
    "DeviceConsent",
    "Explanation",
    "Grant",
    "IdentityError",
    "InternalError",
    "PartnerApp",
    "PartnerCenterError",
    "PartnerSamError",
    "PartnerSamWarning",
    "Renewed",
    "StoreError",
    "Token",
    "TransportError",
    "__version__",
    "explain",
]

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_native._before_fork, after_in_parent=_native._after_fork, after_in_child=_native._note_fork
    )
# What was redeemed when the program ends is saved first.
atexit.register(_native._settle)
