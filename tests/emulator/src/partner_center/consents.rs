//! The control panel vendor's consent for a customer (Microsoft, "Control Panel Vendor APIs" and "GDAP and the Secure Application
//! Model").

use std::{sync::Arc, time::Instant};

use axum::{
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, guarded, own_customer};
use crate::{
    bearer::Caller,
    resources,
    state::{State, World},
};

/// In either spelling: the documentation's, or the PascalCase of .NET.
#[derive(Deserialize)]
struct ConsentRequest {
    #[serde(alias = "ApplicationId")]
    #[serde(rename = "applicationId")]
    application_id: String,
    #[serde(alias = "ApplicationGrants")]
    #[serde(rename = "applicationGrants")]
    grants: Vec<ConsentGrant>,
}

#[derive(Deserialize)]
struct ConsentGrant {
    #[serde(alias = "EnterpriseApplicationId")]
    #[serde(rename = "enterpriseApplicationId")]
    resource: String,
    #[serde(alias = "Scope")]
    scope: String,
}

pub(super) async fn consent(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    guarded(&world, &headers, |caller| {
        let mut state = world.lock();
        let customer = match permitted(&mut state, caller, &id) {
            Ok(customer) => customer,
            Err(answer) => return answer,
        };
        grant(&mut state, caller, &customer, &body).unwrap_or_else(|answer| answer)
    })
}

fn grant(state: &mut State, caller: &Caller, customer: &str, body: &[u8]) -> Result<Answer, Answer> {
    let (Ok(request), Ok(echo)) =
        (serde_json::from_slice::<ConsentRequest>(body), serde_json::from_slice::<Value>(body))
    else {
        return Err(bad("The body is not an application consent."));
    };
    let client = own_application(state, caller, &request.application_id)?;
    let [grant] = request.grants.as_slice() else {
        return Err(bad("A request consents to one enterprise application."));
    };
    let resource =
        resources::find(&grant.resource, state.cloud).ok_or_else(|| bad("The enterprise application is not known."))?;
    let permissions = grant
        .scope
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| resource.permission(name).ok_or_else(|| bad("A scope is not known.")))
        .collect::<Result<Vec<_>, _>>()?;
    if permissions.is_empty() {
        return Err(bad("A grant has no scope."));
    }
    if state.directory.granted(customer, &client, resource).is_some() {
        return Err(Answer::error(StatusCode::CONFLICT, "10005", "Permission entry already exists."));
    }
    remember(state, customer, &client);
    state.directory.consent(customer, &client, resource, &permissions);
    Ok(Answer { status: StatusCode::CREATED, ..Answer::ok(echo) })
}

pub(super) async fn withdraw(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path((id, client)): Path<(String, String)>,
) -> Response {
    guarded(&world, &headers, |caller| {
        let mut state = world.lock();
        let permitted = permitted(&mut state, caller, &id)
            .and_then(|customer| Ok((customer, own_application(&state, caller, &client)?)));
        let (customer, client) = match permitted {
            Ok(both) => both,
            Err(answer) => return answer,
        };
        remember(&mut state, &customer, &client);
        state.directory.withdraw_grants(&customer, &client);
        Answer { status: StatusCode::NO_CONTENT, body: None, ..Answer::ok(Value::Null) }
    })
}

/// Reads at the customer's tenant see what was before, for as many reads as the scenario says.
fn remember(state: &mut State, customer: &str, client: &str) {
    let reads = state.scenario.consent_lag;
    state.directory.lag(customer, client, reads);
}

fn bad(text: &str) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "2000", text)
}

/// An app consents for itself only.
fn own_application(state: &State, caller: &Caller, named: &str) -> Result<String, Answer> {
    let app = state.directory.app(named).ok_or_else(|| bad("The application is not known."))?;
    if app.client_id != caller.app_id {
        return Err(bad("The application is not the one that the token was issued to."));
    }
    Ok(app.client_id.clone())
}

/// The customer's id, when the caller may consent there.
fn permitted(state: &mut State, caller: &Caller, id: &str) -> Result<String, Answer> {
    let forbidden = |code: &str, text: &str| Err(Answer::error(StatusCode::FORBIDDEN, code, text));
    let per_second = state.scenario.consents_per_second;
    state.rates.take(&format!("consents {}", caller.app_id), per_second, Instant::now()).map_err(Answer::throttled)?;
    let Some(upn) = &caller.upn else {
        return forbidden("900329", "The operation does not support app-only tokens.");
    };
    let customer = own_customer(&state.directory, caller, id).map(|customer| customer.id.clone());
    let Some(customer) = customer else { return Err(Answer::no_relationship()) };
    let relationship = state.relationships.of(&customer);
    if !relationship.relationship {
        return Err(Answer::no_relationship());
    }
    if relationship.blocked {
        return forbidden("900309", "Access has been blocked by Conditional Access policies.");
    }
    if !state.relationships.is_agent(upn) {
        return forbidden("900308", "The user is not in the group AdminAgents.");
    }
    if !relationship.gdap_role {
        return forbidden("900308", "The user has no GDAP role that may consent for this customer.");
    }
    if let Some(failure) = state.relationships.take_failure(&customer) {
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text =
            failure.description.unwrap_or_else(|| "The emulator was told to answer so for this customer.".to_owned());
        return Err(Answer::error(status, &failure.code, &text));
    }
    Ok(customer)
}
