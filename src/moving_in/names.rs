//! What a field's name means. Tools spell one thing in many ways (`App ID`, `APP_ID`, `ida:CPVApplicationId`, `partnercenter.clientId`), so only letters and
//! digits count, in any case.
//!
//! The names are those of the .NET samples (<https://github.com/microsoft/Partner-Center-DotNet-Samples>), the Java samples
//! (<https://github.com/microsoft/Partner-Center-Java-Samples>), Partner Center PowerShell, CIPP (<https://github.com/KelvinTegelaar/CIPP-API>) and the field
//! set that automation platforms ask for: CSP domain, account id, app id, app secret, MFA method.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    RefreshToken,
    /// A refresh token that another app got, such as Exchange's own.
    ForeignToken,
    AccessToken,
    AppId,
    AppSecret,
    /// `client secret`, which is the vault's app's where the app's own has another name.
    ClientSecret,
    AccountId,
    Domain,
    /// `domain`, which is the vault's where the partner's has a longer name.
    PlainDomain,
    MfaMethod,
    VaultAddress,
    /// `URL`, which is the vault's where the MFA method is a vault.
    PlainUrl,
    VaultSecretName,
    VaultAppId,
    VaultAppSecret,
    VaultTenant,
    Password,
    /// Nothing that matters here.
    Other,
}

/// The meaning of the field that is written as `name`; nested names come with dots between them.
pub(super) fn meaning(name: &str) -> Meaning {
    let name = plain(name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let of_app_id = ["appid", "applicationid", "clientid", "cientid"];
    if ends(&["password", "passwd", "pwd"]) || name == "pass" {
        return Meaning::Password;
    }
    if ends(&["refreshtoken"]) {
        let is_foreign = has(&["exchange", "outlook", "azurerefresh", "azureadrefresh", "teams"]);
        return if is_foreign { Meaning::ForeignToken } else { Meaning::RefreshToken };
    }
    if ends(&["accesstoken", "idtoken"]) {
        return Meaning::AccessToken;
    }
    if has(&["mfamethod"]) {
        return Meaning::MfaMethod;
    }
    if ends(&["secretname"]) {
        return Meaning::VaultSecretName;
    }
    if ends(&["secretidentifier", "secreturl", "secreturi"]) {
        return Meaning::VaultAddress;
    }
    if has(&["vault"]) {
        let of_vault: [(&[&str], Meaning); 4] = [
            (&["secret", "appkey", "applicationkey"], Meaning::VaultAppSecret),
            (&of_app_id, Meaning::VaultAppId),
            (&["tenantid", "tenant", "domain"], Meaning::VaultTenant),
            (&["url", "uri", "endpoint", "identifier", "address", "vault", "vaultname"], Meaning::VaultAddress),
        ];
        let found = of_vault.iter().find(|(endings, _)| ends(endings));
        return found.map_or(Meaning::Other, |(_, meaning)| *meaning);
    }
    // Beside `app id` this is the vault's; see the automation platforms' field set.
    if matches!(name.as_str(), "clientappid" | "clientapplicationid") {
        return Meaning::VaultAppId;
    }
    // What Partner Center PowerShell writes about the account that signed in, which may live elsewhere.
    if has(&["homeaccountid", "accounttenantid"]) {
        return Meaning::Other;
    }
    if ends(&of_app_id) {
        return Meaning::AppId;
    }
    if ends(&["appsecret", "applicationsecret", "appkey", "applicationkey"]) || name == "partnercenterclientsecret" {
        return Meaning::AppSecret;
    }
    if ends(&["clientsecret"]) {
        return Meaning::ClientSecret;
    }
    if ends(&["tenantid", "accountid", "microsoftid"]) || name == "tenant" {
        return Meaning::AccountId;
    }
    match name.as_str() {
        "domain" => Meaning::PlainDomain,
        "url" => Meaning::PlainUrl,
        _ if ends(&["cspdomain", "partnerdomain", "primarydomain", "tenantdomain"]) => Meaning::Domain,
        _ => Meaning::Other,
    }
}

/// Letters and digits, in lower case.
pub(super) fn plain(name: &str) -> String {
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name);
    name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}
