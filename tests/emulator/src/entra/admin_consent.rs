//! Admin consent: an administrator consents for the whole tenant, and no code is issued (Microsoft, "Admin consent on the
//! Microsoft identity platform").

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Shared},
    http::HeaderMap,
    response::Response,
};

use super::{
    authorize::is_redirect,
    client,
    errors::{EntraError, Ids, aadsts, missing},
    metadata::unknown_tenant,
    pages,
    sign_in::{self, Leave, Page, Purpose, Step},
    token::refusal,
};
use crate::{
    directory::TenantPath,
    form::{Form, with_pairs},
    samples,
    scopes::{Asked, Scopes},
    state::{State, World, entra_time},
};

pub(crate) async fn v1(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let step = begin(&world, true, &tenant, &Form::parse(query.unwrap_or_default().as_bytes()));
    pages::render(&world, &Ids::of(&headers), step)
}

pub(crate) async fn v2(
    world: Shared<Arc<World>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let step = begin(&world, false, &tenant, &Form::parse(query.unwrap_or_default().as_bytes()));
    pages::render(&world, &Ids::of(&headers), step)
}

/// A checked request.
#[derive(Clone)]
pub(crate) struct AdminConsent {
    pub(crate) path: TenantPath,
    pub(crate) client_id: String,
    pub(crate) asked: Vec<Asked>,
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
}

/// Shows the sign-in page of an admin consent.
pub(crate) fn begin(world: &World, v1: bool, tenant: &str, query: &Form) -> Step {
    let mut state = world.lock();
    let state = &mut *state;
    match read(state, v1, tenant, query) {
        Ok(request) => {
            let now = state.now();
            let ctx = state.sign_ins.begin(Purpose::AdminConsent(request), None, now);
            sign_in::first_page(state, ctx)
        }
        Err(error) => Step::Ask(Page::Refused(error)),
    }
}

fn read(state: &State, v1: bool, tenant: &str, query: &Form) -> Result<AdminConsent, EntraError> {
    let path = state.directory.tenant_path(tenant).ok_or_else(|| unknown_tenant(tenant))?;
    let client_id = query.get("client_id").ok_or_else(|| missing("client_id"))?;
    let app = state.directory.app(client_id).ok_or_else(|| client::unknown(client_id, tenant))?;
    // v1 works without one, and then uses the first that is registered.
    let redirect_uri = match (query.get("redirect_uri"), app.redirect_uris.first()) {
        (Some(asked), _) if app.redirect_uris.iter().any(|registered| is_redirect(registered, asked)) => {
            asked.to_owned()
        }
        (Some(_), _) => {
            return Err(aadsts(
                50_011,
                format!(
                    "The redirect URI specified in the request does not match the redirect URIs configured for the application '{client_id}'."
                ),
            ));
        }
        (None, Some(first)) if v1 => first.clone(),
        (None, _) => return Err(missing("redirect_uri")),
    };
    let asked = match query.get("scope") {
        Some(scope) => Scopes::parse(scope, state.cloud).map_err(refusal)?.asked,
        None if v1 => samples::registered().map(Asked::whole).collect(),
        None => return Err(missing("scope")),
    };
    Ok(AdminConsent {
        path,
        client_id: app.client_id.clone(),
        asked,
        redirect_uri,
        scope: query.get("scope").map(str::to_owned),
        state: query.get("state").map(str::to_owned),
    })
}

impl AdminConsent {
    pub(crate) fn finish(&self, tenant: &str) -> Leave {
        let pairs = vec![("admin_consent".to_owned(), "True".to_owned()), ("tenant".to_owned(), tenant.to_owned())];
        self.leave(pairs)
    }

    pub(crate) fn refused(&self, error: &EntraError, now: i64) -> Leave {
        let mut pairs = vec![
            ("error".to_owned(), "consent_required".to_owned()),
            ("error_description".to_owned(), format!("{} Timestamp: {}", error.text, entra_time(now))),
            ("admin_consent".to_owned(), "True".to_owned()),
        ];
        if let TenantPath::One(tenant) = &self.path {
            pairs.push(("tenant".to_owned(), tenant.clone()));
        }
        self.leave(pairs)
    }

    fn leave(&self, mut pairs: Vec<(String, String)>) -> Leave {
        for (name, value) in [("scope", &self.scope), ("state", &self.state)] {
            if let Some(value) = value {
                pairs.push((name.to_owned(), value.clone()));
            }
        }
        Leave::Redirect(with_pairs(&self.redirect_uri, &pairs, false))
    }
}
