//! The resources (audiences) that tokens are for.

use crate::{cloud::Cloud, key_vault::LOCAL_RESOURCE as LOCAL_VAULTS};

/// An API that Entra knows.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The short name, the same word as in partnersam.
    pub(crate) key: &'static str,
    /// The application id of the API.
    pub(crate) app_id: &'static str,
    /// What the consent page calls it.
    pub(crate) name: &'static str,
    /// The identifier URIs in each cloud (public, US government, China), without a trailing slash; none where it is not there or is known by
    /// its application id alone.
    uris: [&'static [&'static str]; 3],
    /// What `/.default` stands for.
    pub(crate) permissions: &'static [&'static str],
    /// Whether other permission names exist, too (Graph has some hundreds).
    pub(crate) open: bool,
    /// Whether it evaluates access continuously: its tokens may live long, and end at once.
    pub(crate) evaluates: bool,
}

/// App ids and URIs as Microsoft publishes them; the app ids are the same in every cloud.
pub(crate) const ALL: [Resource; 9] = [
    Resource {
        key: "partner-center",
        app_id: "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd",
        name: "Microsoft Partner Center",
        uris: [
            &["https://api.partnercenter.microsoft.com"],
            &["https://api.partnercenter.microsoft.com"],
            &["https://partner.partnercenterapi.microsoftonline.cn"],
        ],
        permissions: &["user_impersonation"],
        open: false,
        evaluates: false,
    },
    Resource {
        key: "graph",
        app_id: "00000003-0000-0000-c000-000000000000",
        name: "Microsoft Graph",
        uris: [
            &["https://graph.microsoft.com"],
            &["https://graph.microsoft.us", "https://dod-graph.microsoft.us"],
            &["https://microsoftgraph.chinacloudapi.cn"],
        ],
        permissions: &["Directory.Read.All", "Organization.Read.All", "User.Read"],
        open: true,
        evaluates: true,
    },
    Resource {
        key: "arm",
        app_id: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        name: "Azure Resource Manager",
        uris: [
            &["https://management.azure.com", "https://management.core.windows.net"],
            &["https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"],
            &["https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"],
        ],
        permissions: &["user_impersonation"],
        open: false,
        evaluates: false,
    },
    Resource {
        key: "exchange",
        app_id: "00000002-0000-0ff1-ce00-000000000000",
        name: "Office 365 Exchange Online",
        uris: [
            &["https://outlook.office365.com", "https://outlook.office.com"],
            &["https://outlook.office365.us"],
            &["https://partner.outlook.cn"],
        ],
        permissions: &["Exchange.Manage"],
        open: true,
        evaluates: true,
    },
    Resource {
        key: "key-vault",
        app_id: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        name: "Azure Key Vault",
        uris: [
            &["https://vault.azure.net", LOCAL_VAULTS],
            &["https://vault.usgovcloudapi.net", LOCAL_VAULTS],
            &["https://vault.azure.cn", LOCAL_VAULTS],
        ],
        permissions: &["user_impersonation"],
        open: false,
        evaluates: false,
    },
    Resource {
        key: "teams",
        app_id: "48ac35b8-9aa8-4d74-927d-1f4a14a0b239",
        name: "Skype and Teams Tenant Admin API",
        uris: [&["https://api.interfaces.records.teams.microsoft.com"], &[], &[]],
        permissions: &["user_impersonation"],
        open: false,
        evaluates: true,
    },
    Resource {
        key: "office-management",
        app_id: "c5393580-f805-4401-95e8-94b7a6ef2fc2",
        name: "Office 365 Management APIs",
        uris: [&["https://manage.office.com"], &["https://manage.office365.us"], &[]],
        permissions: &["ActivityFeed.Read", "ServiceHealth.Read"],
        open: true,
        evaluates: false,
    },
    Resource {
        key: "defender",
        app_id: "fc780465-2017-40d4-a0c5-307022471b92",
        name: "WindowsDefenderATP",
        uris: [&["https://api.securitycenter.microsoft.com"], &["https://api-gov.securitycenter.microsoft.us"], &[]],
        permissions: &["Machine.Read", "Vulnerability.Read"],
        open: true,
        evaluates: false,
    },
    Resource {
        key: "aad-graph",
        app_id: "00000002-0000-0000-c000-000000000000",
        name: "Windows Azure Active Directory",
        uris: [
            &["https://graph.windows.net"],
            &["https://graph.microsoftazure.us"],
            &["https://graph.chinacloudapi.cn"],
        ],
        permissions: &["User.Read"],
        open: true,
        evaluates: false,
    },
];

impl Resource {
    /// The identifier URIs in a cloud, without a trailing slash; the first is the usual one.
    pub(crate) fn uris(&self, cloud: Cloud) -> &'static [&'static str] {
        match (cloud, self.uris) {
            (Cloud::Public, [uris, _, _]) | (Cloud::UsGovernment, [_, uris, _]) | (Cloud::China, [_, _, uris]) => uris,
        }
    }

    /// What it is usually asked for by in a cloud.
    pub(crate) fn name_in(&self, cloud: Cloud) -> &'static str {
        self.uris(cloud).first().copied().unwrap_or(self.app_id)
    }

    /// Whether `audience` names this resource in a cloud: by application id, or by URI with or without one trailing slash.
    pub(crate) fn is_named(&self, audience: &str, cloud: Cloud) -> bool {
        let plain = audience.strip_suffix('/').unwrap_or(audience);
        // The vaults on this machine have a port.
        let plain = match plain.strip_prefix(LOCAL_VAULTS).map(|port| port.strip_prefix(':').unwrap_or(port)) {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => LOCAL_VAULTS,
            _ => plain,
        };
        self.app_id.eq_ignore_ascii_case(audience) || self.uris(cloud).iter().any(|uri| uri.eq_ignore_ascii_case(plain))
    }

    /// The permission's proper spelling, if the resource has it.
    pub(crate) fn permission(&self, asked: &str) -> Option<String> {
        if let Some(known) = self.permissions.iter().find(|known| known.eq_ignore_ascii_case(asked)) {
            return Some((*known).to_owned());
        }
        let plausible = asked.contains('.')
            && asked.split('.').all(|word| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            });
        (self.open && plausible).then(|| asked.to_owned())
    }
}

/// The resource that an audience names in a cloud.
pub(crate) fn find(audience: &str, cloud: Cloud) -> Option<&'static Resource> {
    ALL.iter().find(|resource| resource.is_named(audience, cloud))
}

/// The resource by its short name or by any audience of any cloud: what a person may write.
pub(crate) fn find_by_word(word: &str) -> Option<&'static Resource> {
    ALL.iter()
        .find(|resource| resource.key == word)
        .or_else(|| Cloud::ALL.into_iter().find_map(|cloud| find(word, cloud)))
}

pub(crate) fn graph() -> Option<&'static Resource> {
    find_by_word("graph")
}
