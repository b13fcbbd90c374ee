//! Which service a token is for, and how that is written in a request.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::cloud::{Authority, AuthorityKind, Cloud};
use crate::error::{Error, ErrorKind, Result};

/// The service that an access token is for: one of the known ones, or any resource or scope.
///
/// Parsed from `partner-center`, `graph`, `arm`, `exchange`, `key-vault`, `teams`, a resource such as `https://contoso.crm.dynamics.com` or
/// `api://GUID`, or a scope such as `https://graph.microsoft.com/User.Read`. An address stays one until it is known in which cloud it is meant
/// ([`at`](Self::at)): Microsoft Graph of another cloud is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Audience {
    /// The Partner Center API.
    PartnerCenter,
    /// Microsoft Graph.
    Graph,
    /// Azure Resource Manager.
    Arm,
    /// Exchange Online.
    Exchange,
    /// Azure Key Vault.
    KeyVault,
    /// Teams administration.
    Teams,
    /// Any other resource, spelled exactly as the service wants it: a trailing slash is part of its name.
    Resource(String),
    /// One scope of a resource, asked for as it stands.
    Scope(String),
}

/// The app id of the Teams and Skype for Business administration API.
const TEAMS: &str = "48ac35b8-9aa8-4d74-927d-1f4a14a0b239";

const KNOWN: [Audience; 6] =
    [Audience::PartnerCenter, Audience::Graph, Audience::Arm, Audience::Exchange, Audience::KeyVault, Audience::Teams];

impl Audience {
    /// The word or address that names this audience everywhere: commands, store, output. [`FromStr`] reads it back.
    pub fn name(&self) -> &str {
        match self {
            Self::PartnerCenter => "partner-center",
            Self::Graph => "graph",
            Self::Arm => "arm",
            Self::Exchange => "exchange",
            Self::KeyVault => "key-vault",
            Self::Teams => "teams",
            Self::Resource(text) | Self::Scope(text) => text,
        }
    }

    /// The audiences that were kept by [`name`](Self::name). A name that this version does not know is left out.
    pub(crate) fn of_names(names: &[String]) -> Vec<Self> {
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The audience as `authority` knows it: a known service that was named by its address there is that service.
    ///
    /// Errors: `CloudMismatch` for an address of other clouds only, with the name of the right one: a token for it would be good nowhere.
    pub fn at(&self, authority: &Authority) -> Result<Cow<'_, Self>> {
        let (Self::Resource(text) | Self::Scope(text)) = self else { return Ok(Cow::Borrowed(self)) };
        if authority.kind() == AuthorityKind::Generic {
            return Ok(Cow::Borrowed(self));
        }
        let cloud = authority.cloud();
        let is_it = |known: &Self| known.resource(cloud).is_some_and(|name| same_resource(name, text));
        if let Some(known) = KNOWN.into_iter().find(is_it) {
            return Ok(Cow::Owned(known));
        }
        match Url::parse(text).ok().as_ref().and_then(Url::host_str) {
            Some(host) => cloud.check_host("the audience", host).map(|()| Cow::Borrowed(self)),
            None => Ok(Cow::Borrowed(self)),
        }
    }

    /// The resource as v1 requests name it and as the token's `aud` shows it; none for a bare scope.
    pub fn resource(&self, cloud: Cloud) -> Option<&str> {
        let hosts = cloud.hosts();
        Some(match self {
            Self::PartnerCenter => hosts.partner_center,
            Self::Graph => hosts.graph,
            Self::Arm => hosts.arm,
            Self::Exchange => hosts.exchange,
            Self::KeyVault => hosts.key_vault,
            Self::Teams => TEAMS,
            Self::Resource(text) => text,
            Self::Scope(_) => return None,
        })
    }

    /// The app id by which tenants know the service, the same in every cloud; none for what is not one of the known ones, by word or by address.
    pub fn app_id(&self) -> Option<&'static str> {
        Some(match self {
            Self::PartnerCenter => "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd",
            Self::Graph => "00000003-0000-0000-c000-000000000000",
            Self::Arm => "797f4846-ba00-4fd7-ba43-dac1f8f63013",
            Self::Exchange => "00000002-0000-0ff1-ce00-000000000000",
            Self::KeyVault => "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
            Self::Teams => TEAMS,
            Self::Resource(text) => {
                let is_it = |known: &Self, cloud| known.resource(cloud).is_some_and(|name| same_resource(name, text));
                let known = KNOWN.into_iter().find(|known| Cloud::ALL.into_iter().any(|cloud| is_it(known, cloud)));
                return known.and_then(|known| known.app_id());
            }
            Self::Scope(_) => return None,
        })
    }

    /// The known service with that app id.
    pub fn of_app_id(app_id: &str) -> Option<Self> {
        KNOWN.into_iter().find(|known| known.app_id().is_some_and(|id| id.eq_ignore_ascii_case(app_id)))
    }

    /// The scope for a token request: everything consented at the resource. `https://r/` gives `https://r//.default`: Entra takes what
    /// stands before `/.default` for the resource, and a service that ends its name with a slash checks for it.
    pub fn token_scope(&self, cloud: Cloud) -> String {
        match self.resource(cloud) {
            Some(resource) => format!("{resource}/.default"),
            None => self.name().to_owned(),
        }
    }

    /// The scopes to ask consent for. Delegated scopes by name where the service has one for this: `.default` of several services does not go
    /// into one request.
    pub fn consent_scope(&self, cloud: Cloud) -> String {
        let scope = match self {
            Self::PartnerCenter | Self::Arm | Self::KeyVault | Self::Teams => "user_impersonation",
            Self::Graph => "User.Read",
            Self::Exchange => "Exchange.Manage",
            Self::Resource(_) | Self::Scope(_) => return self.token_scope(cloud),
        };
        format!("{}/{scope}", self.resource(cloud).unwrap_or_default())
    }

    /// Whether [`consent_scope`](Self::consent_scope) is `.default`, which Entra takes only on its own.
    pub fn consents_by_default_scope(&self) -> bool {
        matches!(self, Self::Resource(_))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Audience {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let is_teams = text.strip_suffix("/.default").unwrap_or(text).eq_ignore_ascii_case(TEAMS);
        if let Some(known) = KNOWN.into_iter().find(|known| known.name() == text || is_teams && *known == Self::Teams) {
            return Ok(known);
        }
        let invalid = |message: &str| {
            Err(Error::new(ErrorKind::InvalidArgument, "parse", format!("{message}: {text}"))
                .with_hint("use partner-center, graph, arm, exchange, key-vault, teams, or a resource such as https://contoso.crm.dynamics.com"))
        };
        if text.is_empty()
            || text.len() > 512
            || !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>'))
        {
            return invalid("not an audience");
        }
        let resource = text.strip_suffix("/.default").unwrap_or(text);
        let is_default = resource.len() < text.len();
        let url = match Url::parse(resource) {
            Ok(url) if matches!(url.scheme(), "https" | "api" | "urn") => url,
            _ if uuid::Uuid::try_parse(resource).is_ok() && resource.len() == 36 => {
                return Ok(Self::Resource(resource.to_ascii_lowercase()));
            }
            _ => return invalid("not an audience"),
        };
        let has_scope = url.scheme() == "https" && !matches!(url.path(), "" | "/") && !is_default;
        Ok(if has_scope { Self::Scope(resource.to_owned()) } else { Self::Resource(resource.to_owned()) })
    }
}

/// A known service is itself with and without the trailing slash; other resources are taken to the letter.
fn same_resource(known: &str, given: &str) -> bool {
    given.strip_suffix('/').unwrap_or(given).eq_ignore_ascii_case(known)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn audience(text: &str) -> Audience {
        text.parse().expect(text)
    }

    #[test]
    fn names_read_back_as_themselves() {
        for text in [
            "partner-center",
            "graph",
            "arm",
            "exchange",
            "key-vault",
            "teams",
            "https://contoso.crm.dynamics.com",
            "https://contoso.crm.dynamics.com/",
            "api://aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "https://graph.microsoft.com/User.Read",
        ] {
            assert_eq!(audience(text).name(), text);
        }
    }

    #[test]
    fn a_known_service_is_known_by_its_address_too() {
        use Cloud::{China, Public, UsGovernment};
        for (text, cloud, known) in [
            ("https://graph.microsoft.com", Public, Audience::Graph),
            ("https://graph.microsoft.com/", Public, Audience::Graph),
            ("https://GRAPH.microsoft.com/.default", Public, Audience::Graph),
            ("https://graph.microsoft.us/.default", UsGovernment, Audience::Graph),
            ("https://management.azure.com//.default", Public, Audience::Arm),
            ("https://management.chinacloudapi.cn", China, Audience::Arm),
            ("https://api.partnercenter.microsoft.com", Public, Audience::PartnerCenter),
            ("https://api.partnercenter.microsoft.com", UsGovernment, Audience::PartnerCenter),
            ("48ac35b8-9aa8-4d74-927d-1f4a14a0b239/.default", Public, Audience::Teams),
        ] {
            let audience = audience(text);
            assert_eq!(*audience.at(&Authority::microsoft(cloud)).expect(text), known, "{text} in {cloud}");
            assert_eq!(audience.app_id(), known.app_id(), "{text}");
        }
    }

    #[test]
    fn a_known_service_of_another_cloud_is_not_ours() {
        for cloud in Cloud::ALL {
            for of in Cloud::ALL.into_iter().filter(|of| *of != cloud) {
                for known in KNOWN {
                    let Some(address) = known.resource(of).filter(|name| *name != TEAMS) else { continue };
                    if known.resource(cloud) == Some(address) {
                        continue;
                    }
                    for text in [address.to_owned(), format!("{address}/.default"), format!("{address}/a.scope")] {
                        let error = audience(&text).at(&Authority::microsoft(cloud)).expect_err(&text);
                        assert_eq!(error.kind(), ErrorKind::CloudMismatch, "{text} in {cloud}");
                        let right = Cloud::of_host(address.trim_start_matches("https://"));
                        assert!(right.iter().any(|right| error.hint().contains(&format!("\"{right}\""))), "{error}");
                    }
                }
            }
        }
        let generic = Authority::generic("lab", "https://idp.example/", true).expect("an authority");
        let kept = audience("https://graph.microsoft.us");
        assert_eq!(*kept.at(&generic).expect("what another provider means by it"), kept);
    }

    #[test]
    fn a_trailing_slash_is_part_of_the_resource() {
        let with = audience("https://management.core.windows.net/");
        let without = audience("https://management.core.windows.net");
        assert_eq!(with.token_scope(Cloud::Public), "https://management.core.windows.net//.default");
        assert_eq!(without.token_scope(Cloud::Public), "https://management.core.windows.net/.default");
        assert_ne!(with, without);
        assert_eq!(audience("https://management.core.windows.net//.default"), with);
    }

    #[test]
    fn what_could_bend_a_request_is_refused() {
        for bad in [
            "",
            "grph",
            "http://graph.microsoft.com",
            "https://a b",
            "https://graph.microsoft.com/a b",
            "file:///etc/passwd",
            "a&scope=b",
            "\"x",
        ] {
            assert!(bad.parse::<Audience>().is_err(), "{bad} passed");
        }
    }

    #[test]
    fn one_consent_can_name_several_services() {
        assert_eq!(
            Audience::PartnerCenter.consent_scope(Cloud::Public),
            "https://api.partnercenter.microsoft.com/user_impersonation"
        );
        assert!(!Audience::Graph.consents_by_default_scope());
        assert!(audience("https://contoso.crm.dynamics.com").consents_by_default_scope());
    }
}
