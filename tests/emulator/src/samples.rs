//! The story that the emulator starts with. Fixed, so that documents and tests can name it; made up, so that it opens nothing.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    cloud::Cloud,
    credentials::Federated,
    managed_identity,
    ready::{App, Certificate, Customer, FederatedCredential, Ready, Tenant, TenantKind, User},
    resources::{self, Resource},
    state::Urls,
    workload_identity,
};

pub(crate) const VENDOR: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const FABRIKAM: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub(crate) const NORTHWIND: &str = "bbbbbbbb-0000-4000-8000-000000000002";
pub(crate) const CPV_APP: &str = "eeeeeeee-0000-4000-8000-000000000001";
pub(crate) const CSP_APP: &str = "eeeeeeee-0000-4000-8000-000000000002";
pub(crate) const PUBLIC_APP: &str = "eeeeeeee-0000-4000-8000-000000000003";
pub(crate) const MANAGED_IDENTITY: &str = "ffffffff-0000-4000-8000-000000000001";

/// The customer where no app is consented to at the start.
const WITHOUT_CONSENT: &str = "cccccccc-0000-4000-8000-000000000003";

/// (tenant, domain, name, partner)
const CUSTOMERS: [(&str, &str, &str, &str); 7] = [
    ("cccccccc-0000-4000-8000-000000000001", "contoso.com", "Contoso", FABRIKAM),
    ("cccccccc-0000-4000-8000-000000000002", "tailspin.example", "Tailspin Toys", FABRIKAM),
    (WITHOUT_CONSENT, "wingtip.example", "Wingtip Toys", FABRIKAM),
    ("cccccccc-0000-4000-8000-000000000004", "adatum.example", "A. Datum", FABRIKAM),
    ("cccccccc-0000-4000-8000-000000000005", "woodgrove.example", "Woodgrove Bank", FABRIKAM),
    ("cccccccc-0000-4000-8000-000000000101", "litware.example", "Litware", NORTHWIND),
    ("cccccccc-0000-4000-8000-000000000102", "proseware.example", "Proseware", NORTHWIND),
];

pub(crate) fn tenants() -> Vec<Tenant> {
    let tenant = |id: &str, domain: &str, name: &str, kind| Tenant {
        id: id.into(),
        domain: domain.into(),
        name: name.into(),
        kind,
    };
    let mut tenants = vec![
        tenant(VENDOR, "vendor.example", "Vendor Control Panel", TenantKind::Vendor),
        tenant(FABRIKAM, "fabrikam.com", "Fabrikam", TenantKind::Partner),
        tenant(NORTHWIND, "northwind.example", "Northwind Traders", TenantKind::Partner),
    ];
    tenants.extend(CUSTOMERS.map(|(id, domain, name, _)| tenant(id, domain, name, TenantKind::Customer)));
    tenants
}

pub(crate) fn customers() -> Vec<Customer> {
    CUSTOMERS
        .map(|(id, domain, name, partner)| Customer {
            id: id.into(),
            domain: domain.into(),
            name: name.into(),
            partner: partner.into(),
        })
        .to_vec()
}

pub(crate) fn users() -> Vec<User> {
    let user = |number: u32, upn: &str, tenant: &str, mfa, admin| User {
        upn: upn.into(),
        password: format!("emulator-only-password-{number}"),
        oid: format!("dddddddd-0000-4000-8000-{number:012}"),
        tenant: tenant.into(),
        mfa,
        otp: format!("{:06}", 246_800 + number),
        admin,
    };
    vec![
        user(1, "admin@fabrikam.com", FABRIKAM, true, true),
        user(2, "legacy@fabrikam.com", FABRIKAM, false, true),
        user(3, "service@fabrikam.com", FABRIKAM, true, false),
        user(4, "admin@northwind.example", NORTHWIND, true, true),
        user(5, "admin@vendor.example", VENDOR, true, true),
        user(6, "admin@contoso.com", "cccccccc-0000-4000-8000-000000000001", true, true),
        user(7, "admin@wingtip.example", WITHOUT_CONSENT, true, true),
    ]
}

pub(crate) fn apps() -> Vec<App> {
    let redirects = |more: &[&str]| {
        [
            "https://vendor.example/consent/callback",
            "http://localhost",
            "http://localhost/callback",
            "http://127.0.0.1/callback",
        ]
        .iter()
        .chain(more)
        .map(|uri| (*uri).to_owned())
        .collect::<Vec<_>>()
    };
    vec![
        App {
            profile: "cpv".into(),
            client_id: CPV_APP.into(),
            // The signs are there to be form-encoded: a client that forgets it fails here as it would at Entra.
            client_secret: Some("emulator-only-secret+not&real%1~cpv=".into()),
            tenant: VENDOR.into(),
            redirect_uris: redirects(&[]),
            public: false,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
        },
        App {
            profile: "csp".into(),
            client_id: CSP_APP.into(),
            client_secret: Some("emulator-only-secret+not&real%2~csp=".into()),
            tenant: FABRIKAM.into(),
            redirect_uris: redirects(&["https://automation.fabrikam.com/consent/callback"]),
            public: false,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
        },
        App {
            profile: "public".into(),
            client_id: PUBLIC_APP.into(),
            client_secret: None,
            tenant: FABRIKAM.into(),
            redirect_uris: redirects(&["https://login.microsoftonline.com/common/oauth2/nativeclient"]),
            public: true,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
        },
    ]
}

/// The resources in every sample app's registration: what `/.default`, a v1 `resource` and v1 admin consent ask consent for, all at once.
pub(crate) fn registered() -> impl Iterator<Item = &'static Resource> {
    resources::ALL.iter().filter(|resource| !["key-vault", "aad-graph"].contains(&resource.key))
}

/// What is consented to at the start: (tenant, client, resource key). Customers know both apps, except one; partners must
/// consent themselves.
pub(crate) fn consents() -> Vec<(String, String, &'static str)> {
    let mut consents = Vec::new();
    for (tenant, ..) in CUSTOMERS.iter().filter(|(tenant, ..)| *tenant != WITHOUT_CONSENT) {
        for client in [CPV_APP, CSP_APP, PUBLIC_APP] {
            for resource in resources::ALL.iter().filter(|resource| resource.key != "partner-center") {
                consents.push(((*tenant).to_owned(), client.to_owned(), resource.key));
            }
        }
    }
    consents
}

/// What the confidential apps may do on their own, each in its home tenant: (tenant, client, resource key, roles).
pub(crate) fn app_roles() -> Vec<(String, String, &'static str, BTreeSet<String>)> {
    let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        (
            FABRIKAM.to_owned(),
            CSP_APP.to_owned(),
            "graph",
            roles(&[
                "Application.ReadWrite.OwnedBy",
                "Directory.Read.All",
                "Organization.Read.All",
                "User.RevokeSessions.All",
            ]),
        ),
        (
            VENDOR.to_owned(),
            CPV_APP.to_owned(),
            "graph",
            roles(&["Application.ReadWrite.OwnedBy", "Organization.Read.All"]),
        ),
    ]
}

/// The federated credential of a sample app: the workload of this name may act as the app.
pub(crate) fn federated(urls: &Urls, cloud: Cloud, profile: &str) -> Federated {
    Federated {
        issuer: workload_identity::issuer(urls),
        subject: format!("system:serviceaccount:automation:{profile}"),
        audience: cloud.token_exchange().to_owned(),
    }
}

/// The whole ready file; `certificates` are those of the apps, by client id.
pub(crate) fn ready(urls: &Urls, cloud: Cloud, ca_file: PathBuf, certificates: Vec<(String, Certificate)>) -> Ready {
    let mut apps = apps();
    for app in apps.iter_mut().filter(|app| !app.public) {
        let own = certificates.iter().filter(|(client_id, _)| *client_id == app.client_id);
        app.certificates = own.map(|(_, certificate)| certificate.clone()).collect();
        let Federated { issuer, subject, audience } = federated(urls, cloud, &app.profile);
        app.federated_credentials = vec![FederatedCredential { issuer, subject, audience }];
    }
    Ready {
        schema_version: 1,
        cloud,
        pid: std::process::id(),
        authority: urls.authority.clone(),
        partner_center: urls.partner_center.clone(),
        graph: urls.graph.clone(),
        arm: urls.arm.clone(),
        key_vault: urls.key_vault.clone(),
        managed_identity: Some(managed_identity::sample(urls)),
        control: urls.control.clone(),
        workload_issuer: workload_identity::issuer(urls),
        ca_file,
        tenants: tenants(),
        users: users(),
        customers: customers(),
        apps,
    }
}
