//! Who exists, and what was consented to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    ready::{App, Customer, Tenant, TenantKind, User},
    resources::Resource,
    samples,
    scopes::Asked,
};

/// Tenants, users, apps and consents.
pub(crate) struct Directory {
    tenants: HashMap<String, Tenant>,
    domains: HashMap<String, String>,
    users: HashMap<String, User>,
    customers: BTreeMap<String, Customer>,
    apps: HashMap<String, App>,
    consents: HashMap<(String, String), Consents>,
    /// What reads still show of consents that have changed.
    lags: HashMap<(String, String), Lag>,
    /// What apps may do on their own, by tenant and client.
    app_roles: HashMap<(String, String), Consents>,
}

/// The permissions consented to, by the resource's key.
pub(crate) type Consents = BTreeMap<&'static str, BTreeSet<String>>;

/// Consents as they were, for so many reads.
struct Lag {
    reads: u32,
    before: Option<Consents>,
}

/// The `{tenant}` of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TenantPath {
    /// `organizations` or `common`: the home tenant of whoever signs in.
    Home(&'static str),
    /// One tenant, by its GUID.
    One(String),
}

impl Directory {
    pub(crate) fn samples() -> Self {
        let mut directory = Self {
            tenants: HashMap::new(),
            domains: HashMap::new(),
            users: HashMap::new(),
            customers: samples::customers().into_iter().map(|customer| (customer.id.clone(), customer)).collect(),
            apps: samples::apps().into_iter().map(|app| (app.client_id.clone(), app)).collect(),
            consents: HashMap::new(),
            lags: HashMap::new(),
            app_roles: HashMap::new(),
        };
        for tenant in samples::tenants() {
            directory.add_tenant(tenant);
        }
        for user in samples::users() {
            directory.add_user(user);
        }
        for (tenant, client, key) in samples::consents() {
            if let Some(resource) = crate::resources::find_by_word(key) {
                directory.consent(&tenant, &client, resource, &[]);
            }
        }
        for (tenant, client, key, roles) in samples::app_roles() {
            directory.app_roles.entry((tenant, client)).or_default().insert(key, roles);
        }
        directory
    }

    /// What an app may do at a resource on its own.
    pub(crate) fn roles(&self, tenant: &str, client: &str, resource: &Resource) -> Vec<String> {
        let of_app = self.app_roles.get(&(tenant.to_owned(), client.to_owned()));
        of_app.and_then(|roles| roles.get(resource.key)).into_iter().flatten().cloned().collect()
    }

    /// Assigns app roles, or takes them back; an assigned app has a service principal.
    pub(crate) fn assign(&mut self, tenant: &str, client: &str, resource: &Resource, roles: &[String], granted: bool) {
        let key = (tenant.to_owned(), client.to_owned());
        let assigned = self.app_roles.entry(key.clone()).or_default().entry(resource.key).or_default();
        if granted {
            assigned.extend(roles.iter().cloned());
            self.consents.entry(key).or_default();
        } else {
            assigned.retain(|role| !roles.is_empty() && !roles.contains(role));
        }
    }

    pub(crate) fn add_tenant(&mut self, tenant: Tenant) {
        self.domains.insert(tenant.domain.to_ascii_lowercase(), tenant.id.clone());
        self.tenants.insert(tenant.id.clone(), tenant);
    }

    pub(crate) fn add_user(&mut self, user: User) {
        self.users.insert(user.upn.to_ascii_lowercase(), user);
    }

    /// The tenant that a path names: GUID, verified domain, `organizations` or `common`.
    pub(crate) fn tenant_path(&self, text: &str) -> Option<TenantPath> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "organizations" => Some(TenantPath::Home("organizations")),
            "common" => Some(TenantPath::Home("common")),
            _ => self.tenant(&lower).map(|tenant| TenantPath::One(tenant.id.clone())),
        }
    }

    /// By GUID or domain, in any case.
    pub(crate) fn tenant(&self, text: &str) -> Option<&Tenant> {
        let lower = text.to_ascii_lowercase();
        self.tenants.get(self.domains.get(&lower).unwrap_or(&lower))
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    pub(crate) fn user(&self, upn: &str) -> Option<&User> {
        self.users.get(&upn.trim().to_ascii_lowercase())
    }

    /// By object id.
    pub(crate) fn user_by_id(&self, oid: &str) -> Option<&User> {
        self.users.values().find(|user| user.oid.eq_ignore_ascii_case(oid))
    }

    pub(crate) fn user_mut(&mut self, upn: &str) -> Option<&mut User> {
        self.users.get_mut(&upn.trim().to_ascii_lowercase())
    }

    pub(crate) fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.get(&client_id.to_ascii_lowercase())
    }

    pub(crate) fn customer(&self, tenant: &str) -> Option<&Customer> {
        self.customers.get(tenant)
    }

    pub(crate) fn customer_ids(&self) -> Vec<String> {
        self.customers.keys().cloned().collect()
    }

    pub(crate) fn customers_of<'a>(&'a self, partner: &'a str) -> impl Iterator<Item = &'a Customer> {
        self.customers.values().filter(move |customer| customer.partner == partner)
    }

    /// Whether a user of `home` may act in `tenant`: at home, or as the partner of a customer.
    pub(crate) fn reaches(&self, home: &str, tenant: &str) -> bool {
        home == tenant || self.customer(tenant).is_some_and(|customer| customer.partner == home)
    }

    /// Whether the app has a service principal in the tenant: it lives there, or something was consented to once.
    pub(crate) fn is_installed(&self, tenant: &str, client: &str) -> bool {
        self.app(client).is_some_and(|app| app.tenant == tenant)
            || self.consents.contains_key(&(tenant.to_owned(), client.to_owned()))
    }

    /// The permissions consented to; nothing where the resource was not.
    pub(crate) fn granted(&self, tenant: &str, client: &str, resource: &Resource) -> Option<&BTreeSet<String>> {
        self.consents.get(&(tenant.to_owned(), client.to_owned()))?.get(resource.key)
    }

    /// Whether all that is asked of this resource was consented to.
    pub(crate) fn covers(&self, tenant: &str, client: &str, asked: &Asked) -> bool {
        self.granted(tenant, client, asked.resource)
            .is_some_and(|granted| asked.permissions.iter().all(|permission| granted.contains(permission)))
    }

    /// Records consent; no permission by name means those of `/.default`.
    pub(crate) fn consent(&mut self, tenant: &str, client: &str, resource: &'static Resource, permissions: &[String]) {
        let granted =
            self.consents.entry((tenant.to_owned(), client.to_owned())).or_default().entry(resource.key).or_default();
        if permissions.is_empty() {
            granted.extend(resource.permissions.iter().map(|permission| (*permission).to_owned()));
        }
        granted.extend(permissions.iter().cloned());
    }

    /// Takes all that was consented to back; the service principal stays, as it does at Partner Center.
    pub(crate) fn withdraw_grants(&mut self, tenant: &str, client: &str) {
        if let Some(resources) = self.consents.get_mut(&(tenant.to_owned(), client.to_owned())) {
            resources.clear();
        }
    }

    /// Keeps what is consented to now for the next `reads` of [`Self::read_consents`]; an earlier lag goes on from its own past.
    pub(crate) fn lag(&mut self, tenant: &str, client: &str, reads: u32) {
        let key = (tenant.to_owned(), client.to_owned());
        if reads == 0 {
            return;
        }
        let before = self.consents.get(&key).cloned();
        self.lags.entry(key).or_insert(Lag { reads, before }).reads = reads;
    }

    /// What a read at the tenant shows: nothing at all where the app has no service principal.
    pub(crate) fn read_consents(&mut self, tenant: &str, client: &str) -> Option<Consents> {
        let key = (tenant.to_owned(), client.to_owned());
        let is_home = self.app(client).is_some_and(|app| app.tenant == tenant);
        let shown = match self.lags.get_mut(&key) {
            Some(lag) => {
                let before = lag.before.clone();
                lag.reads -= 1;
                if lag.reads == 0 {
                    self.lags.remove(&key);
                }
                before
            }
            None => self.consents.get(&key).cloned(),
        };
        shown.or_else(|| is_home.then(Consents::new))
    }

    /// Takes consent back: of one resource, or of all; with all, the service principal goes, too.
    pub(crate) fn withdraw(&mut self, tenant: &str, client: &str, resource: Option<&Resource>) {
        let key = (tenant.to_owned(), client.to_owned());
        match resource {
            None => drop(self.consents.remove(&key)),
            Some(resource) => {
                if let Some(resources) = self.consents.get_mut(&key) {
                    resources.remove(resource.key);
                }
            }
        }
    }

    pub(crate) fn client_ids(&self) -> Vec<String> {
        self.apps.keys().cloned().collect()
    }

    /// Consents as rows of (tenant, client, resource, permissions), in order; without those of generated partners, which are all alike.
    pub(crate) fn consent_rows(&self) -> Vec<(String, String, &'static str, Vec<String>)> {
        let mut rows: Vec<_> = self
            .consents
            .iter()
            .filter(|((tenant, _), _)| ![GENERATED, GENERATED_CUSTOMER].iter().any(|begins| tenant.starts_with(begins)))
            .flat_map(|((tenant, client), resources)| {
                resources.iter().map(|(key, permissions)| {
                    (tenant.clone(), client.clone(), *key, permissions.iter().cloned().collect())
                })
            })
            .collect();
        rows.sort();
        rows
    }

    /// Adds `count` partners named `p000001.partners.example` and so on, each with an administrator, all consented to every
    /// resource for every sample app. For load tests; a second call continues the count.
    pub(crate) fn add_partners(&mut self, count: u32) -> Vec<(Tenant, User)> {
        let before = self.tenants.keys().filter(|id| id.starts_with(GENERATED)).count();
        let mut added = Vec::new();
        for number in (before + 1)..=(before + count as usize) {
            let domain = format!("p{number:06}.partners.example");
            let tenant = Tenant {
                id: format!("{GENERATED}-0000-4000-8000-{number:012}"),
                name: format!("Generated partner {number}"),
                kind: TenantKind::Partner,
                domain,
            };
            let user = User {
                upn: format!("admin@{}", tenant.domain),
                password: "emulator-only-password-generated".to_owned(),
                oid: format!("{GENERATED}-0000-4000-9000-{number:012}"),
                tenant: tenant.id.clone(),
                mfa: true,
                otp: "246800".to_owned(),
                admin: true,
            };
            for client in self.client_ids() {
                for resource in &crate::resources::ALL {
                    self.consent(&tenant.id, &client, resource, &[]);
                }
            }
            self.add_tenant(tenant.clone());
            self.add_user(user.clone());
            added.push((tenant, user));
        }
        added
    }

    /// Adds `count` customers of a partner, named `c000001.customers.example` and so on; a second call continues the count.
    pub(crate) fn add_customers(&mut self, partner: &str, count: u32) -> Vec<Customer> {
        let before = self.customers.keys().filter(|id| id.starts_with(GENERATED_CUSTOMER)).count();
        let mut added = Vec::new();
        for number in (before + 1)..=(before + count as usize) {
            let customer = Customer {
                id: format!("{GENERATED_CUSTOMER}-0000-4000-8000-{number:012}"),
                domain: format!("c{number:06}.customers.example"),
                name: format!("Generated customer {number}"),
                partner: partner.to_owned(),
            };
            self.add_tenant(Tenant {
                id: customer.id.clone(),
                domain: customer.domain.clone(),
                name: customer.name.clone(),
                kind: TenantKind::Customer,
            });
            self.customers.insert(customer.id.clone(), customer.clone());
            added.push(customer);
        }
        added
    }
}

/// How the ids of generated tenants begin.
const GENERATED: &str = "9e9e9e9e";
/// How the ids of generated customers begin.
const GENERATED_CUSTOMER: &str = "9c9c9c9c";
