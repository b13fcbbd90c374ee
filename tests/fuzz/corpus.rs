//! Valid inputs, as the services send them and as people write them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::CANARY;

pub(crate) const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub(crate) const CLIENT: &str = "11112222-aaaa-3333-bbbb-4444cccc5555";
pub(crate) const NOW: i64 = 1_800_000_000;

/// `WWW-Authenticate` headers: claims challenges in several forms, Key Vault's, others.
pub(crate) fn challenge_headers() -> Vec<String> {
    let claims = BASE64_STANDARD.encode(
        r#"{"access_token":{"nbf":{"essential":true,"value":"1800000000"},"acrs":{"essential":true,"value":"c1"}}}"#,
    );
    vec![
        format!(
            r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="{claims}""#
        ),
        format!(r#"Negotiate, Basic realm="a \"quoted\" realm", Bearer error=insufficient_claims , , claims="{}""#, claims.trim_end_matches('=')),
        format!("WWW-Authenticate: Bearer claims=\"{claims}\"\r\nRetry-After: 3\r\n\r\n"),
        r#"Bearer authorization="https://login.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee", resource="https://vault.azure.net""#.to_owned(),
        r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["cp1"]}},"id_token":null}"#.to_owned(),
    ]
}

/// Refusals of Entra, Partner Center, Graph and Key Vault. A member that no service sends has the canary.
pub(crate) fn error_bodies() -> Vec<String> {
    let secret = format!(r#""access_token":"{CANARY}""#);
    vec![
        format!(
            r#"{{"error":"invalid_grant","error_description":"AADSTS50076: Due to a configuration change made by your administrator, you must use multi-factor authentication. Trace ID: 0000aaaa-11bb-cccc-dd22-eeeeee333333 Correlation ID: aaaa0000-bb11-2222-33cc-444444dddddd Timestamp: 2026-11-20 10:00:00Z","error_codes":[50076,50079],"timestamp":"2026-11-20 10:00:00Z","trace_id":"0000aaaa-11bb-cccc-dd22-eeeeee333333","correlation_id":"aaaa0000-bb11-2222-33cc-444444dddddd","suberror":"basic_action","claims":"{{\"access_token\":{{\"capolids\":{{\"essential\":true}}}}}}",{secret}}}"#
        ),
        format!(
            r#"{{"error":"invalid_client","error_description":"AADSTS700027: The certificate is not registered.\r\nTrace ID: 1",{secret},"error_uri":"https://login.microsoftonline.com/error?code=700027"}}"#
        ),
        format!(r#"{{"code":900421,"description":"MFA is required","data":["x"],"source":"PartnerFD",{secret}}}"#),
        format!(r#"{{"http_status_code":400,"error_code":"1000","error_message":"Bad input",{secret}}}"#),
        format!(
            r#"{{"error":{{"code":"Authorization_RequestDenied","message":"Insufficient privileges","innerError":{{"date":"2026-11-20T10:00:00","request-id":"aaaa0000-bb11-2222-33cc-444444dddddd"}},{secret}}}}}"#
        ),
        format!(
            r#"{{"error":{{"code":"Forbidden","message":"Caller is not authorized","innererror":{{"code":"ForbiddenByRbac","innererror":{{"code":"x"}}}},{secret}}}}}"#
        ),
    ]
}

/// Whether the canary stands where the corpus has it: mutations may carry it into a text that is there to be shown.
pub(crate) fn is_in_its_place(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let whole = format!(r#""access_token":"{CANARY}""#);
    text.matches(CANARY).count() == text.matches(&whole).count()
}

/// Replies of the token endpoint.
pub(crate) fn token_replies() -> Vec<String> {
    vec![
        format!(
            r#"{{"token_type":"Bearer","scope":"openid profile https://graph.microsoft.com/.default","expires_in":4799,"ext_expires_in":4799,"refresh_in":2399,"access_token":"{CANARY}","refresh_token":"{CANARY}.1","id_token":"{CANARY}.2"}}"#
        ),
        format!(
            r#"{{"token_type":"bearer","expires_in":"3599","expires_on":"1800003599","resource":"x","access_token":"{CANARY}"}}"#
        ),
    ]
}

/// What a browser brings back.
pub(crate) fn redirect_replies() -> Vec<String> {
    vec![
        format!(
            "code={CANARY}&state={CANARY}-state&session_state=0000aaaa&iss=https%3A%2F%2Flogin.microsoftonline.com%2F{TENANT}%2Fv2.0"
        ),
        format!("http://localhost:8400/callback?code={CANARY}&state={CANARY}#_=_"),
        "error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent.&state=test-state".to_owned(),
        format!(
            "?admin_consent=True&tenant={TENANT}&state={CANARY}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
        ),
    ]
}

/// The authority's description of itself.
pub(crate) fn metadata() -> Vec<String> {
    let base = "https://login.microsoftonline.com";
    vec![format!(
        r#"{{"token_endpoint":"{base}/{TENANT}/oauth2/v2.0/token","token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt"],"jwks_uri":"{base}/{TENANT}/discovery/v2.0/keys","issuer":"{base}/{TENANT}/v2.0","authorization_endpoint":"{base}/{TENANT}/oauth2/v2.0/authorize","device_authorization_endpoint":"{base}/{TENANT}/oauth2/v2.0/devicecode","authorization_response_iss_parameter_supported":true}}"#
    )]
}

/// What a vendor wants at customers.
pub(crate) fn grants_files() -> Vec<String> {
    vec![
        "display_name = \"Test Panel\"\n\n[grants]\ngraph = [\"Directory.Read.All\", \"User.Read\"]\narm = [\"user_impersonation\"]\n\"c5393580-f805-4401-95e8-94b7a6ef2fc2\" = [\"ActivityFeed.Read\"]\n".to_owned(),
        r#"{"display_name": "Test Panel", "grants": {"graph": ["Directory.Read.All", "User.Read"], "exchange": ["Exchange.Manage"]}}"#.to_owned(),
    ]
}

/// What other tools keep a refresh token in, each secret of them the canary.
pub(crate) fn token_sources() -> Vec<Vec<u8>> {
    let texts = [
        format!("\u{feff}{CANARY}\r\n"),
        format!("\"{CANARY}\"\n"),
        format!(
            "# x\nCSP_DOMAIN=fabrikam.com\nexport APP_ID='{CLIENT}'\nAPP_SECRET={CANARY}\nMFA_METHOD=manually\nREFRESH_TOKEN=\"{CANARY}\"\n"
        ),
        format!("CSP domain;Account ID;App ID;Refresh token\nfabrikam.com;{TENANT};{CLIENT};\"{CANARY}\"\n"),
        format!(
            "[csp]\ndomain = \"fabrikam.com\"\nmfa_method = \"Key Vault\"\nurl = \"https://v.vault.azure.net/secrets/a\"\nclient_app_id = \"{CLIENT}\"\nclient_secret = \"{CANARY}\"\n"
        ),
        format!(
            r#"{{"AccessToken":"{CANARY}","RefreshToken":"{CANARY}","TenantId":"{TENANT}","Account":{{"Username":"a@fabrikam.com"}},"Scopes":["a","b"],"ExpiresOn":1}}"#
        ),
        format!(
            r#"<configuration><appSettings><add key="ida:CPVApplicationId" value="{CLIENT}"/><add key="KeyVaultEndpoint" value="https://v.vault.azure.net"/><add key="ida:KeyVaultClientSecret" value="{CANARY}"/></appSettings></configuration>"#
        ),
        format!(
            r#"<web-app><init-param><param-name>refresh_token</param-name><param-value>{CANARY}</param-value></init-param></web-app>"#
        ),
        format!(
            r#"<Objs xmlns="x"><Obj><Props><S N="RefreshToken">{CANARY}</S><SS N="AccessToken">{CANARY}</SS></Props></Obj></Objs>"#
        ),
        format!("RefreshToken : {CANARY}\r\n               {CANARY}\r\nTenantId     : {TENANT}\r\n"),
        format!(
            "$ApplicationId = '{CLIENT}'\n$RefreshToken = '{CANARY}'\n$ExchangeRefreshToken = '{CANARY}'\nPassword={CANARY}\n"
        ),
    ];
    let wide = |text: &String| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let wide: Vec<Vec<u8>> = texts.iter().map(wide).collect();
    texts.into_iter().map(String::into_bytes).chain(wide).collect()
}

/// Lists of Partner Center and of Graph, and what an API says of MFA.
pub(crate) fn lists() -> Vec<String> {
    vec![
        format!(
            r#"{{"totalCount":1,"items":[{{"id":"{TENANT}","companyProfile":{{"tenantId":"{TENANT}","domain":"contoso.com","companyName":"Contoso"}}}}],"links":{{"next":{{"uri":"/customers?size=500","method":"GET","headers":[{{"key":"MS-ContinuationToken","value":"AAAA"}}]}}}},"attributes":{{"objectType":"SeekBasedResourceCollection"}}}}"#
        ),
        format!(
            r#"{{"@odata.context":"x","@odata.nextLink":"https://graph.microsoft.com/v1.0/servicePrincipals?$skiptoken=x","value":[{{"id":"{TENANT}","appId":"{CLIENT}","displayName":"Microsoft Graph"}}]}}"#
        ),
        format!(
            r#"{{"value":[{{"id":"x","clientId":"{TENANT}","consentType":"AllPrincipals","resourceId":"{TENANT}","scope":" User.Read Directory.Read.All "}}]}}"#
        ),
        format!(r#"{{"value":[{{"userId":"{TENANT}","isMfaCompliant":"True","totalCount":12}}]}}"#),
    ]
}
