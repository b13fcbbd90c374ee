//! The partner's customers.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use super::{Answer, guarded, link, own_customer};
use crate::{form::Form, ready::Customer, state::World};

/// The most customers on a page, and how many without `size`.
const PAGE: usize = 500;

pub(super) async fn customers(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    guarded(&world, &headers, |caller| {
        let query = Form::parse(query.unwrap_or_default().as_bytes());
        let size = match query.get("size").map(str::parse::<usize>) {
            None => PAGE,
            Some(Ok(size)) if (1..=PAGE).contains(&size) => size,
            Some(_) => return Answer::error(StatusCode::BAD_REQUEST, "2000", "The page size is not valid."),
        };
        let continued = headers.get("ms-continuationtoken").and_then(|value| value.to_str().ok());
        let start = match (query.get("seekOperation"), continued) {
            (None, None) => 0,
            (Some(operation), Some(token)) if operation.eq_ignore_ascii_case("next") => {
                match token.strip_prefix("emulator-after-").and_then(|place| place.parse().ok()) {
                    Some(start) => start,
                    None => {
                        return Answer::error(StatusCode::BAD_REQUEST, "2000", "The continuation token is not valid.");
                    }
                }
            }
            _ => {
                return Answer::error(
                    StatusCode::BAD_REQUEST,
                    "2000",
                    "seekOperation=Next and MS-ContinuationToken belong together.",
                );
            }
        };
        let state = world.lock();
        let total = state.directory.customers_of(&caller.tenant).count();
        let items: Vec<_> = state.directory.customers_of(&caller.tenant).skip(start).take(size).map(as_json).collect();
        let end = start + items.len();
        let mut links = json!({ "self": link(&format!("/customers?size={size}"), &[]) });
        let mut body = json!({
            "totalCount": total,
            "items": items,
            "attributes": { "objectType": "SeekBasedResourceCollection" },
        });
        if end < total {
            let token = format!("emulator-after-{end}");
            let next = link(&format!("/customers?size={size}&seekOperation=Next"), &[("MS-ContinuationToken", &token)]);
            if let (Some(links), Some(body)) = (links.as_object_mut(), body.as_object_mut()) {
                links.insert("next".to_owned(), next);
                body.insert("continuationToken".to_owned(), json!(token));
            }
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("links".to_owned(), links);
        }
        Answer { bom: true, ..Answer::ok(body) }
    })
}

pub(super) async fn customer(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    guarded(&world, &headers, |caller| {
        let state = world.lock();
        let own = own_customer(&state.directory, caller, &id);
        match own.filter(|customer| state.relationships.of(&customer.id).relationship) {
            Some(customer) => Answer::ok(as_json(customer)),
            None => Answer::error(
                StatusCode::NOT_FOUND,
                "60003",
                "The customer was not found, or there is no relationship.",
            ),
        }
    })
}

fn as_json(customer: &Customer) -> Value {
    json!({
        "id": customer.id,
        "commerceId": customer.id,
        "companyProfile": {
            "tenantId": customer.id,
            "domain": customer.domain,
            "companyName": customer.name,
            "attributes": { "objectType": "CustomerCompanyProfile" },
        },
        "relationshipToPartner": "reseller",
        "allowDelegatedAccess": true,
        "links": { "self": link(&format!("/customers/{}", customer.id), &[]) },
        "attributes": { "objectType": "Customer" },
    })
}
