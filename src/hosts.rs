//! Which addresses a token for an audience may be sent to by who gets it.

use url::{Origin, Url};

use crate::audience::Audience;
use crate::cloud::Authority;
use crate::error::{Error, ErrorKind, Result};

/// The addresses of one audience.
#[derive(Clone, Debug)]
pub struct Hosts {
    origins: Vec<Origin>,
    /// Each vault has a host of its own under this name.
    vaults_under: Option<String>,
}

impl Hosts {
    /// The audience's own addresses in the configured cloud, and the hosts in `more`, which the caller vouches for: `host` or `host:port`.
    ///
    /// Errors: `InvalidArgument` where one of those is no host, and where no address is known: the caller names some then.
    pub fn of(audience: &Audience, authority: &Authority, more: &[String]) -> Result<Self> {
        let known = authority.cloud().hosts();
        let parse = |text: &str| Url::parse(text).ok();
        let own = match audience {
            Audience::PartnerCenter => authority.partner_center().cloned(),
            Audience::Graph => authority.graph().cloned(),
            Audience::Arm => authority.arm().cloned(),
            Audience::Exchange => parse(known.exchange),
            Audience::Resource(text) | Audience::Scope(text) => parse(text).filter(|url| url.scheme() == "https"),
            // Their names are not addresses.
            _ => None,
        };
        let mut origins: Vec<Origin> = own.iter().map(Url::origin).collect();
        for host in more {
            let url = parse(&format!("https://{host}/"))
                .filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none() && is_plain(url));
            origins.push(
                url.ok_or_else(|| invalid(format!("not a host: {host}")).with_hint("name it as host or host:port"))?
                    .origin(),
            );
        }
        let vaults_under = matches!(audience, Audience::KeyVault)
            .then(|| parse(known.key_vault))
            .flatten()
            .and_then(|url| url.host_str().map(|host| format!(".{host}")));
        if origins.is_empty() && vaults_under.is_none() {
            return Err(invalid(format!("no host is known for this audience: {audience}"))
                .with_hint("name the hosts that its tokens may be sent to: auth(audience, hosts=[...])"));
        }
        Ok(Self { origins, vaults_under })
    }

    /// Whether a request to this address may carry the token: https, no user info, and a host and port of the audience.
    pub fn allow(&self, text: &str) -> bool {
        // What one parser takes for a path another may take for a host: nothing that is read in two ways.
        if text.contains('\\') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let Ok(url) = Url::parse(text) else { return false };
        let in_vault = |suffix: &String| {
            let name = url.host_str().and_then(|host| host.strip_suffix(suffix.as_str()));
            url.port().is_none() && name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
        };
        url.scheme() == "https"
            && is_plain(&url)
            && (self.origins.contains(&url.origin()) || self.vaults_under.as_ref().is_some_and(in_vault))
    }
}

fn is_plain(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "auth", message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cloud::Cloud;

    fn hosts(audience: &str, cloud: Cloud, more: &[&str]) -> Result<Hosts> {
        let more: Vec<_> = more.iter().map(|host| (*host).to_owned()).collect();
        Hosts::of(&audience.parse().unwrap(), &Authority::microsoft(cloud), &more)
    }

    #[test]
    fn each_service_has_the_addresses_of_its_cloud() {
        for (audience, cloud, own, other) in [
            ("graph", Cloud::Public, "https://graph.microsoft.com/v1.0/me", "https://graph.microsoft.us/v1.0/me"),
            ("graph", Cloud::UsGovernment, "https://graph.microsoft.us/", "https://graph.microsoft.com/"),
            ("arm", Cloud::Public, "https://management.azure.com/x?y", "https://management.azure.com.example/"),
            (
                "partner-center",
                Cloud::Public,
                "https://api.partnercenter.microsoft.com/v1/a",
                "https://graph.microsoft.com/",
            ),
            ("exchange", Cloud::Public, "https://outlook.office365.com:443/", "https://outlook.office365.com:444/"),
            (
                "https://contoso.crm.dynamics.com",
                Cloud::Public,
                "https://contoso.crm.dynamics.com/api",
                "https://crm.dynamics.com/",
            ),
        ] {
            let hosts = hosts(audience, cloud, &[]).unwrap();
            assert!(hosts.allow(own), "{own}");
            assert!(!hosts.allow(other), "{other}");
        }
    }

    #[test]
    fn a_vault_has_a_name_of_its_own_under_its_cloud() {
        let hosts = hosts("key-vault", Cloud::Public, &[]).unwrap();
        assert!(hosts.allow("https://one.vault.azure.net/secrets"));
        for wrong in [
            "https://vault.azure.net/",
            "https://a.b.vault.azure.net/",
            "https://one.vault.azure.net:8443/",
            "https://onevault.azure.net/",
        ] {
            assert!(!hosts.allow(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let hosts = hosts("graph", Cloud::Public, &["proxy.example:8443"]).unwrap();
        assert!(hosts.allow("https://proxy.example:8443/v1.0/me"));
        for wrong in [
            "http://graph.microsoft.com/",
            "https://user@graph.microsoft.com/",
            "https://graph.microsoft.com\\@example.com/",
            "https://graph.microsoft.com /",
            "https://gr\u{e4}ph.microsoft.com/",
            "https://proxy.example/",
            "graph.microsoft.com",
            "",
        ] {
            assert!(!hosts.allow(wrong), "{wrong}");
        }
    }

    #[test]
    fn where_no_address_is_known_the_caller_names_some() {
        let refused = hosts("teams", Cloud::Public, &[]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(hosts("teams", Cloud::Public, &["teams.example"]).unwrap().allow("https://teams.example/"));
        for wrong in ["https://a.example", "a.example/path", "user@a.example", "a.example?x", "", "a b"] {
            assert!(hosts("graph", Cloud::Public, &[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_emulator_has_its_own_and_no_others() {
        let authority =
            || Authority::emulator("https://localhost:1", "https://localhost:2", "https://localhost:3").unwrap();
        let arm = Audience::Arm;
        assert!(Hosts::of(&arm, &authority(), &[]).is_err());
        let hosts = Hosts::of(&arm, &authority().with_emulated_arm("https://localhost:4").unwrap(), &[]).unwrap();
        assert!(hosts.allow("https://localhost:4/subscriptions") && !hosts.allow("https://management.azure.com/"));
        assert!(authority().with_emulated_arm("https://management.azure.com").is_err());
    }
}
