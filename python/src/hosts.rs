//! Which addresses a token for an audience may be sent to.

use partnersam::error::Result;
use partnersam::{Audience, Authority};
use url::{Origin, Url};

use crate::error::invalid;

/// The addresses of one audience.
pub(crate) struct Hosts {
    origins: Vec<Origin>,
    /// Each vault has a host of its own under this name.
    vaults_under: Option<String>,
}

impl Hosts {
    /// The audience's own addresses in the configured cloud, and the hosts in `more`, which the caller vouches for: `host` or `host:port`.
    pub(crate) fn of(audience: &Audience, authority: &Authority, more: &[String]) -> Result<Self> {
        let known = authority.cloud().hosts();
        let parse = |text: &str| Url::parse(text).ok();
        let own = match audience {
            Audience::PartnerCenter => authority.partner_center().cloned(),
            Audience::Graph => authority.graph().cloned(),
            Audience::Arm if authority.name() == "emulator" => emulated_arm(),
            Audience::Arm => parse(known.arm),
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

    pub(crate) fn allow(&self, text: &str) -> bool {
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

/// The emulator's Azure Resource Manager, by its ready file.
fn emulated_arm() -> Option<Url> {
    let text = std::fs::read_to_string(std::env::var_os("PARTNERSAM_EMULATOR")?).ok()?;
    let ready: serde_json::Value = serde_json::from_str(&text).ok()?;
    let url = Url::parse(ready.get("arm")?.as_str()?).ok()?;
    let is_loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(ip) => ip.is_loopback(),
        url::Host::Ipv6(ip) => ip.is_loopback(),
    };
    is_loopback.then_some(url)
}
