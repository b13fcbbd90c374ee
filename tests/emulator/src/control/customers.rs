//! Customers: more of them, and what stands between them and their partner.

use axum::{body::Bytes, extract::State as Shared, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Shown, answer, bad, check_scopes, read, tenant_id};
use crate::{
    relationships, resources, samples,
    scenario::{AgentChange, CustomerChange, Some1},
    state::{State, World},
};

type Refused = (StatusCode, Value);

/// The customers that a scenario names, with what changes for each.
pub(super) fn resolve(
    state: &State,
    changes: Option<Some1<CustomerChange>>,
) -> Result<Vec<(String, relationships::Change)>, Refused> {
    let mut resolved = Vec::new();
    for change in changes.map(Some1::into_vec).unwrap_or_default() {
        change.change.check().map_err(bad)?;
        for name in change.customer.into_vec() {
            if name == "all" {
                let all = state.directory.customer_ids();
                resolved.extend(all.into_iter().map(|customer| (customer, change.change.clone())));
                continue;
            }
            let customer = tenant_id(state, &name)?;
            if state.directory.customer(&customer).is_none() {
                return Err(bad(format!("not a customer: {name}")));
            }
            resolved.push((customer, change.change.clone()));
        }
    }
    Ok(resolved)
}

/// Changes of the group AdminAgents, for users that exist.
pub(super) fn agents(state: &State, changes: Option<Some1<AgentChange>>) -> Result<Vec<AgentChange>, Refused> {
    let changes = changes.map(Some1::into_vec).unwrap_or_default();
    match changes.iter().find(|change| state.directory.user(&change.upn).is_none()) {
        Some(change) => Err(bad(format!("no such user: {}", change.upn))),
        None => Ok(changes),
    }
}

/// More customers of a partner, all alike.
#[derive(Deserialize)]
struct NewCustomers {
    count: u32,
    /// GUID or domain; fabrikam.com without it.
    partner: Option<String>,
    /// What they consented to; nothing without it.
    #[serde(default)]
    consents: Vec<NewConsent>,
    #[serde(flatten)]
    state: relationships::Change,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConsent {
    /// An app; all sample apps without it.
    client_id: Option<String>,
    resource: String,
    /// Permissions by name; those of `/.default` without it.
    #[serde(default)]
    scopes: Vec<String>,
}

/// Most generated customers in one call.
const MOST: u32 = 20_000;

pub(super) async fn add(Shared(control): Shown, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| generate(&control.world, &request)))
}

fn generate(world: &World, request: &NewCustomers) -> Answer {
    if !(1..=MOST).contains(&request.count) {
        return Err(bad(format!("count must be 1 to {MOST}: {}", request.count)));
    }
    request.state.check().map_err(bad)?;
    let mut state = world.lock();
    let state = &mut *state;
    let partner = tenant_id(state, request.partner.as_deref().unwrap_or(samples::FABRIKAM))?;
    let mut consents = Vec::new();
    for consent in &request.consents {
        let clients = match &consent.client_id {
            None => state.directory.client_ids(),
            Some(client) => match state.directory.app(client) {
                Some(app) => vec![app.client_id.clone()],
                None => return Err(bad(format!("no such app: {client}"))),
            },
        };
        let resource = resources::find_by_word(&consent.resource)
            .ok_or_else(|| bad(format!("no such resource: {}", consent.resource)))?;
        check_scopes(Some(resource), &consent.scopes)?;
        consents.push((clients, resource, &consent.scopes));
    }
    let added = state.directory.add_customers(&partner, request.count);
    for customer in &added {
        for (clients, resource, scopes) in &consents {
            for client in clients {
                state.directory.consent(&customer.id, client, resource, scopes);
            }
        }
        state.relationships.change(&customer.id, &request.state);
    }
    Ok(json!({ "schema_version": 1, "customers": added }))
}
