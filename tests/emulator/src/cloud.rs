//! The clouds that Microsoft runs: what is called otherwise in each (Microsoft, "National clouds").

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which cloud an emulator plays. Resources of the others are unknown in it, as tenants are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The worldwide one.
    #[default]
    Public,
    /// Azure US Government.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// The word for it: `public`, `us-government` or `china`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::UsGovernment => "us-government",
            Self::China => "china",
        }
    }

    /// The audience of tokens by which workloads of other identity providers prove themselves.
    pub(crate) fn token_exchange(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }

    /// How metadata names the region; nothing in the worldwide cloud's samples.
    pub(crate) fn region(self) -> Option<&'static str> {
        match self {
            Self::Public => None,
            Self::UsGovernment => Some("USGov"),
            Self::China => Some("CN"),
        }
    }

    /// The cloud that a tenant's first domain belongs to, told by its ending.
    pub(crate) fn of_domain(domain: &str) -> Option<Self> {
        let domain = domain.to_ascii_lowercase();
        let endings = [
            (".onmicrosoft.com", Self::Public),
            (".onmicrosoft.us", Self::UsGovernment),
            (".partner.onmschina.cn", Self::China),
        ];
        endings.into_iter().find(|(ending, _)| domain.ends_with(ending)).map(|(_, cloud)| cloud)
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.name() == text)
            .ok_or_else(|| format!("not a cloud (public, us-government or china): {text}"))
    }
}
