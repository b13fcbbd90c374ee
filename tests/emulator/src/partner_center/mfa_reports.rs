//! The reports on requests without MFA (Microsoft, "Get a list of portal requests without MFA" and its neighbours).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::{
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use super::{Answer, guarded};
use crate::{
    bearer::Caller,
    state::{State, World, rfc3339},
};

/// Rows that the real reports have at most.
const MOST: usize = 10_000;
/// Seconds that the real reports look back.
const WINDOW: i64 = 7 * 86_400;

/// Users' requests, the newest last.
#[derive(Debug, Default)]
pub(crate) struct PartnerRequests(VecDeque<PartnerRequest>);

#[derive(Debug)]
struct PartnerRequest {
    at: i64,
    tenant: String,
    upn: String,
    oid: String,
    app_id: String,
    mfa: bool,
    request_id: Option<String>,
    correlation_id: Option<String>,
}

/// Remembers a request; those of apps alone are not in the reports.
pub(super) fn record(state: &mut State, caller: &Caller, headers: &HeaderMap) {
    let Some(upn) = caller.upn.clone() else { return };
    let at = state.now();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if state.partner_requests.0.len() >= MOST {
        state.partner_requests.0.pop_front();
    }
    state.partner_requests.0.push_back(PartnerRequest {
        at,
        tenant: caller.tenant.clone(),
        upn,
        oid: caller.oid.clone(),
        app_id: caller.app_id.clone(),
        mfa: caller.mfa,
        request_id: header("ms-requestid"),
        correlation_id: header("ms-correlationid"),
    });
}

pub(super) async fn principals(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    report(&world, &headers, |rows| {
        let mut latest = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.mfa) {
            latest.insert(row.oid.clone(), *row);
        }
        latest
            .into_values()
            .map(|row| {
                json!({
                    "objectId": row.oid,
                    "tenantId": row.tenant,
                    "upn": row.upn,
                    "lastNonMfaCompliantRequestDateTime": rfc3339(row.at),
                })
            })
            .collect()
    })
}

pub(super) async fn adoption(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    report(&world, &headers, |rows| {
        let mut days: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for row in rows {
            let day = rfc3339(row.at).chars().take(10).collect();
            let (total, compliant) = days.entry((day, row.app_id.clone())).or_default();
            *total += 1;
            *compliant += u64::from(row.mfa);
        }
        days.into_iter()
            .map(|((day, app_id), (total, compliant))| {
                json!({
                    "loginDate": format!("{day}T00:00:00Z"),
                    "applicationId": app_id,
                    "applicationName": app_id,
                    "totalRequestCount": total,
                    "mfaCompliantRequestCount": compliant,
                })
            })
            .collect()
    })
}

pub(super) async fn requests(Shared(world): Shared<Arc<World>>, headers: HeaderMap) -> Response {
    report(&world, &headers, |rows| {
        rows.iter()
            .map(|row| {
                json!({
                    "requestId": row.request_id,
                    "correlationId": row.correlation_id,
                    "requestDateTime": rfc3339(row.at),
                    "ipAddress": "127.0.0.1",
                    "objectId": row.oid,
                    "tenantId": row.tenant,
                    "upn": row.upn,
                    "applicationId": row.app_id,
                    "mfaCompliant": row.mfa,
                })
            })
            .collect()
    })
}

/// A report over the caller's own tenant; for users only.
fn report(world: &World, headers: &HeaderMap, rows: impl FnOnce(&[&PartnerRequest]) -> Vec<Value>) -> Response {
    guarded(world, headers, |caller| {
        if caller.upn.is_none() {
            return Answer::error(StatusCode::FORBIDDEN, "900329", "The operation does not support app-only tokens.");
        }
        let state = world.lock();
        let since = state.now() - WINDOW;
        let own: Vec<_> =
            state.partner_requests.0.iter().filter(|row| row.tenant == caller.tenant && row.at >= since).collect();
        let items = rows(&own);
        Answer::ok(json!({ "totalCount": items.len(), "items": items, "attributes": { "objectType": "Collection" } }))
    })
}
