//! The clouds that Microsoft runs, and the one authority that an app is configured for.
//!
//! Hosts: <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};

/// A Microsoft cloud. Tenants, apps and tokens of one are unknown in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// The worldwide cloud.
    #[default]
    Public,
    /// Azure US Government.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
}

/// One row of the table of clouds.
#[derive(Clone, Copy, Debug)]
pub struct CloudHosts {
    /// The word used in configuration, store and output.
    pub name: &'static str,
    /// Where people sign in and tokens are issued.
    pub authority: &'static str,
    /// The Partner Center API, and the audience of its tokens.
    pub partner_center: &'static str,
    /// Microsoft Graph, and the audience of its tokens.
    pub graph: &'static str,
    /// Azure Resource Manager, and the audience of its tokens.
    pub arm: &'static str,
    /// Exchange Online, and the audience of its tokens.
    pub exchange: &'static str,
    /// Key Vault: the audience of its tokens.
    pub key_vault: &'static str,
    /// What host names of vaults end with, with the dot.
    pub key_vault_suffix: &'static str,
    /// Hosts of the sign-in beside [`authority`](Self::authority): older names, and those that only stand in issuers.
    pub further_authorities: &'static [&'static str],
    /// Other hosts of the same services, and what the cloud's names of tenants end with: a name that begins with a dot is an ending.
    pub further_hosts: &'static [&'static str],
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// The hosts of this cloud.
    pub fn hosts(self) -> CloudHosts {
        match self {
            Self::Public => CloudHosts {
                name: "public",
                authority: "https://login.microsoftonline.com",
                partner_center: "https://api.partnercenter.microsoft.com",
                graph: "https://graph.microsoft.com",
                arm: "https://management.azure.com",
                exchange: "https://outlook.office365.com",
                key_vault: "https://vault.azure.net",
                key_vault_suffix: ".vault.azure.net",
                further_authorities: &["login.windows.net", "login.microsoft.com", "sts.windows.net"],
                further_hosts: &["management.core.windows.net", "outlook.office.com", ".onmicrosoft.com"],
            },
            Self::UsGovernment => CloudHosts {
                name: "us-government",
                authority: "https://login.microsoftonline.us",
                // Partner Center has one host for both.
                partner_center: "https://api.partnercenter.microsoft.com",
                graph: "https://graph.microsoft.us",
                arm: "https://management.usgovcloudapi.net",
                exchange: "https://outlook.office365.us",
                key_vault: "https://vault.usgovcloudapi.net",
                key_vault_suffix: ".vault.usgovcloudapi.net",
                further_authorities: &["login.usgovcloudapi.net", "login-us.microsoftonline.com"],
                further_hosts: &["management.core.usgovcloudapi.net", "dod-graph.microsoft.us", ".onmicrosoft.us"],
            },
            Self::China => CloudHosts {
                name: "china",
                authority: "https://login.partner.microsoftonline.cn",
                partner_center: "https://partner.partnercenterapi.microsoftonline.cn",
                graph: "https://microsoftgraph.chinacloudapi.cn",
                arm: "https://management.chinacloudapi.cn",
                exchange: "https://partner.outlook.cn",
                key_vault: "https://vault.azure.cn",
                key_vault_suffix: ".vault.azure.cn",
                further_authorities: &["login.chinacloudapi.cn", "sts.chinacloudapi.cn"],
                further_hosts: &["management.core.chinacloudapi.cn", ".partner.onmschina.cn"],
            },
        }
    }
}

impl Cloud {
    /// The clouds that a host, or a tenant's first domain, belongs to: none where it is nobody's known, two where it serves both.
    pub fn of_host(host: &str) -> Vec<Self> {
        let host = host.to_ascii_lowercase();
        let is_of = |cloud: Self| {
            let row = cloud.hosts();
            let services = [row.partner_center, row.graph, row.arm, row.exchange, row.key_vault];
            cloud.signs_in_at(&host)
                || services.into_iter().any(|address| address.strip_prefix("https://") == Some(host.as_str()))
                || row.further_hosts.iter().chain([&row.key_vault_suffix]).any(|known| {
                    if known.starts_with('.') {
                        host.ends_with(known) && host.len() > known.len()
                    } else {
                        host == **known
                    }
                })
        };
        Self::ALL.into_iter().filter(|cloud| is_of(*cloud)).collect()
    }

    /// Whether `host`, in lower case, is one of the names of this cloud's sign-in; issuers have one of them, too.
    pub fn signs_in_at(self, host: &str) -> bool {
        let row = self.hosts();
        row.authority.strip_prefix("https://") == Some(host) || row.further_authorities.contains(&host)
    }

    /// Refuses a host that is known to be of other clouds only; `what` says what has it.
    ///
    /// Errors: `CloudMismatch`, with the name of the right cloud.
    pub fn check_host(self, what: &str, host: &str) -> Result<()> {
        let clouds = Self::of_host(host);
        match clouds.first() {
            Some(other) if !clouds.contains(&self) => Err(Error::new(
                ErrorKind::CloudMismatch,
                "cloud",
                format!("{what} is not of the configured cloud {self} but of another: {other}"),
            )
            .with_hint(format!(
                "set `cloud` to \"{other}\", with an app registered there, or name the service's address in {self}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether a host claims to be Microsoft's sign-in, known or not: by its domain it could be, and a secret must not follow the claim.
pub fn claims_to_be_entra(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let domains = [
        "microsoftonline.com",
        "microsoftonline.us",
        "microsoftonline.cn",
        "microsoftonline-p.com",
        "microsoftonline.de",
        "windows.net",
        "microsoft.com",
        "chinacloudapi.cn",
        "usgovcloudapi.net",
        "sovcloud-identity.fr",
        "sovcloud-identity.de",
        "sovcloud-identity.sg",
    ];
    let is_sign_in = host.starts_with("login")
        || host.starts_with("sts.")
        || host.contains("microsoftonline")
        || host.contains("sovcloud-identity");
    is_sign_in
        && domains
            .iter()
            .any(|domain| host == *domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hosts().name)
    }
}

impl FromStr for Cloud {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.hosts().name == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "parse", format!("not a cloud: {text}"))
                .with_hint("use public, us-government or china")
        })
    }
}

/// The emulator's name; no cloud has it, and a generic authority's begins with `generic:`.
const EMULATOR: &str = "emulator";

/// What kind of server issues the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityKind {
    /// Entra, or the emulator that plays it.
    Entra,
    /// Any OpenID Connect provider, configured by name; it has one tenant: itself.
    Generic,
}

/// Where requests go: the only hosts that ever get a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    name: String,
    kind: AuthorityKind,
    cloud: Cloud,
    login: Url,
    partner_center: Option<Url>,
    graph: Option<Url>,
    arm: Option<Url>,
    /// A vault that the one who holds this may ask.
    vault: Option<Url>,
    /// Who is asked whether the login is what it claims to be.
    voucher: Option<Url>,
    one_use_refresh_tokens: bool,
}

impl Authority {
    /// Entra of a Microsoft cloud.
    pub fn microsoft(cloud: Cloud) -> Self {
        let hosts = cloud.hosts();
        // The table holds only valid addresses: a test walks it.
        let parse = |text: &str| Url::parse(text).ok();
        Self {
            name: hosts.name.to_owned(),
            kind: AuthorityKind::Entra,
            cloud,
            login: parse(hosts.authority).unwrap_or_else(|| unreachable!("the table of clouds holds addresses")),
            partner_center: parse(hosts.partner_center),
            graph: parse(hosts.graph),
            arm: parse(hosts.arm),
            vault: None,
            voucher: None,
            one_use_refresh_tokens: false,
        }
    }

    /// The emulator: plays the public cloud, or that of [`playing`](Self::playing), on loopback, and nowhere else.
    pub fn emulator(login: &str, partner_center: &str, graph: &str) -> Result<Self> {
        Ok(Self {
            name: EMULATOR.to_owned(),
            kind: AuthorityKind::Entra,
            cloud: Cloud::Public,
            login: loopback("authority", login)?,
            partner_center: Some(loopback("partner_center", partner_center)?),
            graph: Some(loopback("graph", graph)?),
            arm: None,
            vault: None,
            voucher: None,
            one_use_refresh_tokens: false,
        })
    }

    /// The emulator, which plays Azure Resource Manager at this address, too.
    ///
    /// Errors: as for [`Authority::emulator`].
    pub fn with_emulated_arm(self, arm: &str) -> Result<Self> {
        Ok(Self { arm: Some(loopback("arm", arm)?), ..self })
    }

    /// The emulator as another cloud: its audiences are asked for.
    #[must_use]
    pub fn playing(mut self, cloud: Cloud) -> Self {
        if self.is_emulator() {
            self.cloud = cloud;
        }
        self
    }

    /// An OpenID Connect provider that is not Entra, by its issuer. `name` is what the partner is called in every command.
    pub fn generic(name: &str, issuer: &str, one_use_refresh_tokens: bool) -> Result<Self> {
        let name_fits = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !name_fits {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                "authority.name must be lower-case letters, digits and hyphens",
            ));
        }
        let login = https("authority.issuer", issuer)?;
        let host = login.host_str().unwrap_or_default();
        if let Some(cloud) = Cloud::of_host(host).first() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "open",
                "authority.issuer is Microsoft's, which needs no table",
            )
            .with_hint(format!("leave the table out and set `cloud` to \"{cloud}\"")));
        }
        let voucher = claims_to_be_entra(host).then(|| Self::microsoft(Cloud::Public).login);
        Ok(Self {
            name: format!("generic:{name}"),
            kind: AuthorityKind::Generic,
            cloud: Cloud::Public,
            login,
            partner_center: None,
            graph: None,
            arm: None,
            vault: None,
            voucher,
            one_use_refresh_tokens,
        })
    }

    /// The word that keeps this authority's grants apart in a store: `public`, `emulator`, `generic:lab`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the emulator on this machine.
    pub fn is_emulator(&self) -> bool {
        self.name == EMULATOR
    }

    /// What kind of server it is.
    pub fn kind(&self) -> AuthorityKind {
        self.kind
    }

    /// The cloud whose audiences are asked for.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The address that sign-in and token endpoints stand under; for a generic authority its issuer.
    pub fn login(&self) -> &Url {
        &self.login
    }

    /// Where the Partner Center API answers, if there is one.
    pub fn partner_center(&self) -> Option<&Url> {
        self.partner_center.as_ref()
    }

    /// The same, and one vault that requests may go to, too.
    #[must_use]
    pub fn with_vault(self, vault: Url) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// The vault that requests may go to.
    pub fn vault(&self) -> Option<&Url> {
        self.vault.as_ref()
    }

    /// Who is asked whether the sign-in is Microsoft's, as its unknown host claims, before anything else is sent to it.
    pub fn voucher(&self) -> Option<&Url> {
        self.voucher.as_ref()
    }

    /// Where Microsoft Graph answers, if there is one.
    pub fn graph(&self) -> Option<&Url> {
        self.graph.as_ref()
    }

    /// Where Azure Resource Manager answers, if there is one. Tokens for it go there from whoever asked for them, never from here.
    pub fn arm(&self) -> Option<&Url> {
        self.arm.as_ref()
    }

    /// Whether the server lets a refresh token be used only once. Entra does not: an old one stays valid.
    pub fn one_use_refresh_tokens(&self) -> bool {
        self.one_use_refresh_tokens
    }

    /// Whether a request that carries a token or a secret may go to `url`: https, no user info, and a host and port of this authority.
    pub fn allows(&self, url: &Url) -> bool {
        self.known(url).is_some()
    }

    /// The address of this authority whose host and port [`allow`](Self::allows) a request to `url`.
    pub(crate) fn known(&self, url: &Url) -> Option<&Url> {
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        [
            Some(&self.login),
            self.partner_center.as_ref(),
            self.graph.as_ref(),
            self.vault.as_ref(),
            self.voucher.as_ref(),
        ]
        .into_iter()
        .flatten()
        .find(|known| known.origin() == url.origin())
    }
}

fn https(key: &'static str, text: &str) -> Result<Url> {
    match Url::parse(text) {
        Ok(url)
            if url.scheme() == "https"
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(url)
        }
        _ => Err(Error::new(
            ErrorKind::ConfigInvalid,
            "open",
            format!("{key} must be an https address without user info, query or fragment"),
        )),
    }
}

fn loopback(key: &'static str, text: &str) -> Result<Url> {
    let url = https(key, text)?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if is_loopback {
        Ok(url)
    } else {
        Err(Error::new(ErrorKind::ConfigInvalid, "open", format!("the emulator's {key} must be on loopback")))
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_an_https_address_without_path() {
        for cloud in Cloud::ALL {
            let hosts = cloud.hosts();
            for text in [hosts.authority, hosts.partner_center, hosts.graph, hosts.arm, hosts.exchange, hosts.key_vault]
            {
                let url = Url::parse(text).expect("an address");
                assert_eq!((url.scheme(), url.path()), ("https", "/"), "{text}");
            }
            assert_eq!(hosts.name.parse::<Cloud>().expect("its own name"), cloud);
            assert_eq!(Authority::microsoft(cloud).name(), hosts.name);
        }
    }

    #[test]
    fn secrets_go_to_the_configured_hosts_only() {
        let authority = Authority::microsoft(Cloud::Public);
        for good in ["https://login.microsoftonline.com/x/oauth2/v2.0/token", "https://graph.microsoft.com:443/v1.0/me"]
        {
            assert!(authority.allows(&Url::parse(good).expect("url")), "{good} refused");
        }
        for bad in [
            "http://login.microsoftonline.com/",
            "https://login.microsoftonline.com.evil.example/",
            "https://login.microsoftonline.com:8443/",
            "https://user@login.microsoftonline.com/",
            "https://login.microsoftonline.us/",
            "https://evil.example/login.microsoftonline.com",
        ] {
            assert!(!authority.allows(&Url::parse(bad).expect("url")), "{bad} passed");
        }
    }

    #[test]
    fn a_host_tells_its_cloud() {
        for (host, clouds) in [
            ("graph.microsoft.com", vec![Cloud::Public]),
            ("GRAPH.microsoft.US", vec![Cloud::UsGovernment]),
            ("sts.windows.net", vec![Cloud::Public]),
            ("myvault.vault.azure.cn", vec![Cloud::China]),
            ("fabrikam.onmicrosoft.us", vec![Cloud::UsGovernment]),
            ("api.partnercenter.microsoft.com", vec![Cloud::Public, Cloud::UsGovernment]),
            ("contoso.crm.dynamics.com", vec![]),
            (".vault.azure.net", vec![]),
            ("graph.microsoft.us.evil.example", vec![]),
        ] {
            assert_eq!(Cloud::of_host(host), clouds, "{host}");
        }
        for cloud in Cloud::ALL {
            let vault = cloud.hosts().key_vault.trim_start_matches("https://");
            assert_eq!(cloud.hosts().key_vault_suffix, format!(".{vault}"));
            for other in Cloud::ALL {
                let graph = other.hosts().graph.trim_start_matches("https://");
                assert_eq!(cloud.check_host("the audience", graph).is_ok(), cloud == other, "{cloud} {other}");
            }
        }
        let error = Cloud::Public.check_host("the audience", "graph.microsoft.us").expect_err("a mismatch");
        assert_eq!(error.kind(), ErrorKind::CloudMismatch);
        assert!(error.hint().contains("\"us-government\""), "{error}");
    }

    #[test]
    fn what_is_microsofts_is_no_authority_of_ones_own_and_what_claims_to_be_is_vouched_for() {
        for bad in [
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.windows.net/",
            "https://sts.chinacloudapi.cn/",
            "https://graph.microsoft.com/",
        ] {
            let error = Authority::generic("lab", bad, false).expect_err("a refusal");
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{bad}");
        }
        for (issuer, claims) in [
            ("https://login.microsoftonline.de/", true),
            ("https://login-new.microsoftonline.com/", true),
            ("https://login.sovcloud-identity.fr/", true),
            ("https://login.account.blob.core.windows.net/", true),
            ("https://idp.example/", false),
            ("https://login.example/", false),
            ("https://microsoftonline.com.idp.example/", false),
        ] {
            let authority = Authority::generic("lab", issuer, false).expect(issuer);
            assert_eq!(authority.voucher().is_some(), claims, "{issuer}");
            let asked = Url::parse("https://login.microsoftonline.com/common/discovery/instance").expect("url");
            assert_eq!(authority.allows(&asked), claims, "{issuer}");
        }
    }

    #[test]
    fn the_emulator_is_on_loopback_or_nowhere() {
        assert!(Authority::emulator("https://localhost:1", "https://127.0.0.1:2", "https://[::1]:3").is_ok());
        for bad in [
            "https://login.microsoftonline.com",
            "https://localhost.evil.example",
            "http://localhost",
            "https://10.0.0.1",
        ] {
            assert!(Authority::emulator(bad, "https://localhost:2", "https://localhost:3").is_err(), "{bad} passed");
        }
    }
}
