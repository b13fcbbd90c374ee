//! The names of secrets by which tools keep a refresh token in a Key Vault.
//!
//! CIPP has `RefreshToken` beside `ApplicationID`, `ApplicationSecret` and `TenantID`, older versions `ExchangeRefreshToken`, too (`Get-CIPPAuthentication.ps1`
//! of <https://github.com/KelvinTegelaar/CIPP-API>). The .NET and Java samples name the secret after the partner's tenant id, or after its domain without the
//! dots (`KeyVaultProvider.cs` of <https://github.com/microsoft/Partner-Center-DotNet-Samples>). A vault takes names in any case.

use crate::ids::{TenantId, TenantRef};

/// The secret with the app's client id.
pub(crate) const APP_ID: &str = "ApplicationID";
/// The secret with the partner's tenant id.
pub(crate) const TENANT: &str = "TenantID";
/// Secrets that tools keep beside the refresh token, and that have no further use once the tool is gone.
pub(crate) const SECRETS_BESIDE: [&str; 2] = ["ApplicationSecret", "ExchangeRefreshToken"];

const REFRESH_TOKEN: &str = "RefreshToken";

/// Where the token of `partner` may be in a vault, by the habits of the tools.
pub(crate) fn candidates(partner: &TenantRef, tenant: TenantId) -> Vec<String> {
    let mut names = vec![REFRESH_TOKEN.to_owned(), tenant.to_string()];
    if let TenantRef::Domain(domain) = partner {
        names.push(domain.replace(['.', '@'], ""));
    }
    names
}

/// Whether the secret `name` has the tool's own fields beside it.
pub(crate) fn has_fields_beside(name: &str) -> bool {
    name.eq_ignore_ascii_case(REFRESH_TOKEN)
}
