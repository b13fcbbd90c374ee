#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const APP: &str = "11112222-aaaa-3333-bbbb-4444cccc5555";
const TENANT_ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const TOKEN: &str = "0.not-a-real-refresh-token_0123456789";

/// The token, and the source without it.
fn taken(bytes: &[u8], name: Option<&str>) -> (Found, String, Vec<u8>) {
    let found = recognise(bytes, name).unwrap();
    let Holder::Here { token, .. } = &found.holder else { panic!("{found:?}") };
    // EXPOSE: to compare it.
    let token = token.expose().to_owned();
    let left = found.blanked(bytes).to_vec();
    (found, token, left)
}

fn refused(text: &str) -> Error {
    let error = recognise(text.as_bytes(), None).unwrap_err();
    assert!(!error.to_json().contains("hunter2") && !error.to_json().contains(TOKEN), "{error:?}");
    error
}

#[test]
fn a_token_alone_is_read_however_it_was_saved() {
    let wide = |text: &str, unit: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        let units: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        [&mark[..], &units].concat()
    };
    for bytes in [
        TOKEN.as_bytes().to_vec(),
        format!("{TOKEN}\r\n").into_bytes(),
        format!("  \"{TOKEN}\"\n").into_bytes(),
        format!("'{TOKEN}'").into_bytes(),
        format!("\u{feff}{TOKEN}\n").into_bytes(),
        wide(&format!("{TOKEN}\r\n"), u16::to_le_bytes, [0xff, 0xfe]),
        wide(TOKEN, u16::to_be_bytes, [0xfe, 0xff]),
    ] {
        let (found, token, _) = taken(&bytes, Some("token.txt"));
        assert_eq!((token.as_str(), found.is_alone()), (TOKEN, true));
        assert!(found.app.is_none() && found.secrets.is_empty());
    }
}

#[test]
fn what_is_no_token_is_not_taken_for_one() {
    for bad in ["one two", "\"quoted\"\nlines", "ü", "{", "<a", "<a/>", "[1, 2]", "{}"] {
        assert_eq!(refused(bad).kind(), ErrorKind::InvalidArgument, "{bad}");
    }
    assert!(refused("partnersam-key-1:hunter2").message().contains("key of a store"));
    assert!(refused("psam1.hunter2").hint().contains("vault"));
    assert_eq!(recognise(&[0xff, 0xff], None).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(recognise(&vec![b'a'; LARGEST + 1], None).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(recognise(b"token", Some("App.config")).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn nothing_left_is_told_apart_from_what_is_not_understood() {
    for empty in [&b""[..], b" \r\n", b"\"\"", &[0; 40], b"REFRESH_TOKEN=\n", b"{\"RefreshToken\":\"\"}", b"\xff\xfe"] {
        assert!(matches!(recognise(empty, None).unwrap().holder, Holder::Nowhere { .. }), "{empty:?}");
    }
}

#[test]
fn the_field_set_of_automation_platforms_in_every_spelling() {
    let manually = [
        format!(
            r#"{{"CSP Domain":"fabrikam.com","Account ID":"{TENANT_ID}","App ID":"{APP}","App Secret":"hunter2","MFA Method":"Manually","Refresh Token":"{TOKEN}"}}"#
        ),
        format!(
            "# moved by hand\nCSP_DOMAIN=fabrikam.com\nACCOUNT_ID={TENANT_ID}\nexport APP_ID=\"{APP}\"\nAPP_SECRET=hunter2\nMFA_METHOD=manually # not a vault\nREFRESH_TOKEN='{TOKEN}' # old\n"
        ),
        format!(
            "csp domain: fabrikam.com\naccount id: {TENANT_ID}\napp id: {APP}\napp secret: hunter2\nmfa method: manually\nrefresh token: {TOKEN}\n"
        ),
        format!(
            "CSP Domain,Account ID,App ID,App secret,MFA method,Refresh token\r\nfabrikam.com,{TENANT_ID},{APP},\"hun,ter2\",manually,{TOKEN}\r\n"
        ),
        format!(
            "Field;Value\nCSP domain;fabrikam.com\nAccount ID;{TENANT_ID}\nApp ID;{APP}\nApp secret;hunter2\nMFA method;Manually\nRefresh token;{TOKEN}\n"
        ),
        format!(
            "[csp]\ndomain = \"fabrikam.com\"\naccount-id = \"{TENANT_ID}\"\napp_id = \"{APP}\"\napp_secret = \"hunter2\"\nmfa_method = \"manually\"\nrefresh_token = \"{TOKEN}\"\n"
        ),
    ];
    for text in manually {
        let (found, token, left) = taken(text.as_bytes(), None);
        assert_eq!((token.as_str(), found.app.as_ref().unwrap().value.as_str()), (TOKEN, APP), "{text}");
        let tenants: Vec<_> = found.tenants.iter().map(|tenant| tenant.value.to_string()).collect();
        assert_eq!(tenants, [TENANT_ID, "fabrikam.com"], "{text}");
        assert_eq!((found.secrets.len(), found.passwords.len()), (1, 0), "{text}");
        assert_eq!(String::from_utf8(left).unwrap(), text.replace(TOKEN, ""));
        assert!(!format!("{found:?}").contains("hunter2") && !format!("{found:?}").contains(TOKEN));
    }
}

#[test]
fn the_field_set_with_a_key_vault() {
    for text in [
        format!(
            "CSP domain=fabrikam.com\nAccount ID={TENANT_ID}\nApp ID={APP}\nApp secret=one\nMFA method=Key Vault\nClient App ID={TENANT_ID}\nClient secret=two\nDomain=vendor.example\nURL=https://my-vault.vault.azure.net/secrets/rt/0123\nRefresh token={TOKEN}\n"
        ),
        format!(
            r#"{{"cspDomain":"fabrikam.com","accountId":"{TENANT_ID}","appId":"{APP}","appSecret":"one","mfaMethod":"keyVault","keyVault":{{"clientAppId":"{TENANT_ID}","clientSecret":"two","domain":"vendor.example","url":"https://my-vault.vault.azure.net/secrets/rt/0123"}},"refreshToken":"{TOKEN}"}}"#
        ),
    ] {
        let found = recognise(text.as_bytes(), None).unwrap();
        let Holder::Vault(vault) = &found.holder else { panic!("{found:?}") };
        assert_eq!(vault.address, "https://my-vault.vault.azure.net/secrets/rt/0123");
        assert_eq!(vault.client_id.as_ref().unwrap().as_str(), TENANT_ID);
        assert_eq!(vault.tenant.as_ref().unwrap().to_string(), "vendor.example");
        // EXPOSE: to see that the two secrets were not taken for each other.
        assert_eq!(vault.client_secret.as_ref().unwrap().expose(), "two");
        // The token that stands in it all the same is a secret that is left over.
        assert_eq!(found.secrets.len(), 3);
    }
}

#[test]
fn the_dotnet_samples_keep_the_token_in_a_vault() {
    let text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <!-- AppID that represents Control panel vendor application -->
    <add key="ida:CPVApplicationId" value="{APP}" />
    <add key="ida:CPVApplicationSecret" value="hunter2" />
    <add key="KeyVaultEndpoint" value="https://my-vault.vault.azure.net/" />
    <add key="ida:KeyVaultTenantId" value="{TENANT_ID}" />
    <add key="ida:KeyVaultClientId" value="{APP}" />
    <add key="ida:KeyVaultClientSecret" value="hunter2" />
    <add key="ida:AADInstance" value="https://login.microsoftonline.com/" />
  </appSettings>
</configuration>"#
    );
    let found = recognise(text.as_bytes(), Some("App.config")).unwrap();
    let Holder::Vault(vault) = &found.holder else { panic!("{found:?}") };
    assert_eq!(vault.address, "https://my-vault.vault.azure.net/");
    assert!(vault.client_secret.is_some() && vault.tenant.is_some() && vault.secret.is_none());
    assert_eq!(found.app.unwrap().field, "ida:CPVApplicationId");
    assert_eq!(found.secrets, ["ida:CPVApplicationSecret", "ida:KeyVaultClientSecret"]);
    // Filled in by hand with the token itself: only the value goes.
    let inline = r#"<configuration><appSettings><add key="RefreshToken" value="TOKEN"/></appSettings></configuration>"#;
    let (_, _, left) = taken(inline.replace("TOKEN", TOKEN).as_bytes(), Some("Web.config"));
    assert_eq!(String::from_utf8(left).unwrap(), inline.replace("TOKEN", ""));
}

#[test]
fn the_java_samples_settings() {
    let properties = format!(
        "azuread.authority=https://login.microsoftonline.com\nkeyvault.baseurl=https\\://my-vault.vault.azure.net\nkeyvault.clientId={APP}\nkeyvault.clientSecret=hunter2\nkeyvault.tenantId={TENANT_ID}\npartnercenter.accountId={TENANT_ID}\npartnercenter.clientId={APP}\npartnercenter.clientSecret=hunter2\npartnercenter.displayName=x"
    );
    let web = format!(
        "<web-app><filter><init-param><param-name>client_id</param-name><param-value>{APP}</param-value></init-param>\
         <init-param><param-name>client_secret</param-name><param-value>hunter2</param-value></init-param>\
         <init-param><param-name>keyvault_base_url</param-name><param-value>https://my-vault.vault.azure.net</param-value></init-param>\
         <init-param><param-name>keyvault_client_id</param-name><param-value>{APP}</param-value></init-param>\
         <init-param><param-name>keyvault_client_secret</param-name><param-value>hunter2</param-value></init-param>\
         <init-param><param-name>keyvault_tenant_id</param-name><param-value>{TENANT_ID}</param-value></init-param></filter></web-app>"
    );
    for (text, name) in [(properties, "application.properties"), (web, "web.xml")] {
        let found = recognise(text.as_bytes(), Some(name)).unwrap();
        let Holder::Vault(vault) = &found.holder else { panic!("{found:?}") };
        assert_eq!(vault.address, "https://my-vault.vault.azure.net");
        assert!(vault.client_id.is_some() && vault.client_secret.is_some() && vault.tenant.is_some());
        assert_eq!((found.app.unwrap().value.as_str(), found.secrets.len()), (APP, 2));
    }
}

#[test]
fn what_partner_center_powershell_left() {
    let json = format!(
        "{{\r\n  \"AccessToken\": \"hunter2\",\r\n  \"RefreshToken\": \"{TOKEN}\",\r\n  \"TenantId\": \"{TENANT_ID}\",\r\n  \"Account\": {{\"Username\": \"a@fabrikam.com\", \"HomeAccountId\": {{\"TenantId\": \"{APP}\"}}}}\r\n}}"
    );
    let clixml = format!(
        "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\"><Obj RefId=\"0\"><Props><S N=\"AccessToken\">hunter2</S><S N=\"RefreshToken\">{TOKEN}</S><S N=\"TenantId\">{TENANT_ID}</S></Props></Obj></Objs>"
    );
    let list = format!("\r\nAccessToken  : hunter2\r\nRefreshToken : {TOKEN}\r\nTenantId     : {TENANT_ID}\r\n");
    let (first, rest) = TOKEN.split_at(12);
    let narrow = format!("RefreshToken : {first}\r\n               {rest}\r\nTenantId     : {TENANT_ID}\r\n");
    let script = format!(
        "######### Secrets #########\n$ApplicationId         = '{APP}'\n$ApplicationSecret     = 'hunter2'\n$TenantID              = '{TENANT_ID}'\n$RefreshToken          = '{TOKEN}'\n$ExchangeRefreshToken  = '0.exchange'\n$token = New-PartnerAccessToken -RefreshToken $refreshToken\n"
    );
    for (text, name) in [
        (json, "token.json"),
        (clixml, "token.xml"),
        (list, "token.txt"),
        (narrow, "token.txt"),
        (script, "ps_header.ps1"),
    ] {
        let (found, token, left) = taken(text.as_bytes(), Some(name));
        assert_eq!(token, TOKEN, "{text}");
        assert_eq!(found.tenants.first().unwrap().value.to_string(), TENANT_ID, "{text}");
        assert!(!String::from_utf8(left).unwrap().contains(TOKEN.get(12..).unwrap()), "{text}");
        assert_eq!(found.foreign.len(), usize::from(name == "ps_header.ps1"));
    }
}

#[test]
fn what_windows_wrote_wide_is_blanked_in_place() {
    let text = format!("ü AppId : {APP}\r\nRefreshToken : {TOKEN}\r\n");
    let wide = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let (_, token, left) = taken(&wide(&text), None);
    assert_eq!((token.as_str(), left), (TOKEN, wide(&text.replace(TOKEN, ""))));
}

#[test]
fn a_secure_string_says_who_can_read_it() {
    let error = refused("<Objs><Obj><Props><SS N=\"RefreshToken\">01000000d08c9ddf</SS></Props></Obj></Objs>");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.hint().contains("ConvertFrom-SecureString"), "{}", error.hint());
}

#[test]
fn contradictions_are_refused_and_named() {
    for (text, named) in [
        (format!("refresh_token={TOKEN}\nRefreshToken=hunter2\n"), "RefreshToken"),
        (format!("client_id={APP}\nApp ID={TENANT_ID}\nrefresh_token={TOKEN}\n"), "App ID"),
        (format!("refresh_token={TOKEN}\nKEYVAULT_URL=https://hunter2.vault.azure.net\n"), "KEYVAULT_URL"),
        (format!("[one]\nrefresh_token={TOKEN}\n[two]\nrefresh_token=hunter2\n"), "two.refresh_token"),
        (format!(r#"{{"RefreshToken":"{TOKEN}","RefreshToken":"hunter2"}}"#), "RefreshToken"),
    ] {
        let error = refused(&text);
        assert!(error.context().iter().any(|(_, value)| value == named), "{text}: {error:?}");
    }
    for text in [
        format!("app id,refresh token\n{APP},{TOKEN}\n{APP},hunter2\n"),
        format!("mfa method=by phone\nrefresh_token={TOKEN}\n"),
        "mfa method=Key Vault\nrefresh_token=hunter2\n".to_owned(),
        format!("client_id=hunter2\nrefresh_token={TOKEN}\n"),
        format!("tenant_id=hunter2\nrefresh_token={TOKEN}\n"),
        "$ExchangeRefreshToken = 'hunter2'\n$ApplicationId = 'x'\n".to_owned(),
        "refresh_token=two words\n".to_owned(),
    ] {
        assert_eq!(refused(&text).kind(), ErrorKind::InvalidArgument, "{text}");
    }
    // The same thing twice is no contradiction, and both go.
    let (_, _, left) = taken(format!("refresh_token={TOKEN}\nRefreshToken={TOKEN}\n").as_bytes(), None);
    assert_eq!(left, b"refresh_token=\nRefreshToken=\n");
}

#[test]
fn passwords_are_told_of_and_never_taken() {
    let text = format!("username=admin@fabrikam.com\npassword=hunter2\nADMIN_PWD=hunter2\nrefresh_token={TOKEN}\n");
    let (found, _, left) = taken(text.as_bytes(), None);
    assert_eq!(found.passwords, ["password", "ADMIN_PWD"]);
    assert!(!format!("{found:?}").contains("hunter2"));
    assert!(String::from_utf8(left).unwrap().contains("password=hunter2"));
    assert_eq!(refused("username=admin@fabrikam.com\npassword=hunter2\n").kind(), ErrorKind::InvalidArgument);
}

#[test]
fn another_apps_token_is_refused_with_the_way_out() {
    let (found, ..) = taken(format!("app_id={APP}\nrefresh_token={TOKEN}\n").as_bytes(), None);
    found.check_app(&APP.to_uppercase().parse().unwrap()).unwrap();
    let error = found.check_app(&TENANT_ID.parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GrantOfAnotherApp);
    assert!(error.hint().contains(&format!("init --client-id {APP}")), "{}", error.hint());
}

#[test]
fn sources_are_named_in_one_word() {
    for (text, shown, kind) in [
        ("keyvault://my-vault/secrets/RefreshToken", "keyvault://my-vault/secrets/RefreshToken", "vault-secret"),
        ("keyvault://my-vault/", "keyvault://my-vault/", "vault-secret"),
        ("https://my-vault.vault.azure.net/secrets/a", "https://my-vault.vault.azure.net/secrets/a", "vault-secret"),
        ("keyring:old tool/me", "keyring:old tool/me", "keyring-entry"),
        ("file:/a/b", "/a/b", "file"),
        (".env", ".env", "file"),
    ] {
        let source: Source = text.parse().unwrap();
        assert_eq!((source.to_string().as_str(), source.kind()), (shown, kind));
    }
    for bad in ["", "file:", "keyring:x", "keyring:/x", "keyvault://v/secrets/hunter2/x"] {
        assert!(!bad.parse::<Source>().unwrap_err().to_json().contains("hunter2"), "{bad}");
    }
    assert!(!format!("{:?}", Source::Given(Zeroizing::new(b"hunter2".to_vec()))).contains("hunter2"));
}

#[test]
fn a_vault_is_searched_by_the_habits_of_the_tools() {
    let names = candidates(&"fabri.kam.com".parse().unwrap(), TENANT_ID.parse().unwrap());
    assert_eq!(names, ["RefreshToken", TENANT_ID, "fabrikamcom"]);
}
