//! A sign-in on its way: who, MFA, consent, and where it leads.
//!
//! One form takes every step, so that a person answers page by page and a script may post all answers at once.

use std::{collections::HashMap, sync::Arc};

use axum::{body::Bytes, extract::State as Shared, http::HeaderMap, response::Response};

use super::{
    admin_consent::AdminConsent,
    authorize::AuthorizeRequest,
    errors::{EntraError, Ids, aadsts},
    pages,
    token::stranger,
};
use crate::{
    directory::TenantPath,
    form::Form,
    grants::{DeviceAnswer, SignedIn, random},
    ready::User,
    samples,
    scopes::Asked,
    state::{State, World},
};

/// Where every page posts to.
pub(crate) const FORM: &str = "/common/login";

/// Seconds that a person has.
const LIFE: i64 = 900;
/// Most sign-ins at a time.
const MOST: usize = 20_000;

/// Sign-ins that have begun and not ended.
#[derive(Default)]
pub(crate) struct SignIns(HashMap<String, SignIn>);

#[derive(Clone)]
struct SignIn {
    purpose: Purpose,
    began: i64,
    login_hint: Option<String>,
    upn: Option<String>,
    mfa: bool,
}

/// What the sign-in is for.
#[derive(Clone)]
pub(crate) enum Purpose {
    Authorize(AuthorizeRequest),
    Device { device_code: String, client_id: String, path: TenantPath, asked: Vec<Asked> },
    AdminConsent(AdminConsent),
}

/// What comes next.
pub(crate) enum Step {
    /// A person has to answer.
    Ask(Page),
    /// The browser leaves.
    Leave(Leave),
}

/// A page.
pub(crate) enum Page {
    SignIn {
        ctx: String,
        login: String,
        error: Option<EntraError>,
    },
    Mfa {
        ctx: String,
        upn: String,
        error: Option<EntraError>,
    },
    Consent {
        ctx: String,
        upn: String,
        app: String,
        tenant: String,
        rows: Vec<(String, Vec<String>)>,
        allowed: bool,
    },
    /// Nothing that could be answered.
    Refused(EntraError),
}

/// Where the browser goes.
pub(crate) enum Leave {
    Redirect(String),
    FormPost {
        action: String,
        pairs: Vec<(String, String)>,
    },
    /// A last page, for the device flow.
    Told(&'static str),
}

impl SignIns {
    pub(crate) fn begin(&mut self, purpose: Purpose, login_hint: Option<String>, now: i64) -> String {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.retain(|_, sign_in| now - sign_in.began < LIFE);
        let ctx = random("", 32);
        self.0.insert(ctx.clone(), SignIn { purpose, began: now, login_hint, upn: None, mfa: false });
        ctx
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// The first page of a sign-in.
pub(crate) fn first_page(state: &State, ctx: String) -> Step {
    let login = state.sign_ins.0.get(&ctx).and_then(|sign_in| sign_in.login_hint.clone()).unwrap_or_default();
    Step::Ask(Page::SignIn { ctx, login, error: None })
}

pub(crate) async fn submit(Shared(world): Shared<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let ids = Ids::of(&headers);
    let form = Form::parse(&body);
    let step = advance(&world, form.get("ctx").unwrap_or_default(), &form);
    pages::render(&world, &ids, step)
}

/// Takes the answers that are there (`login` and `passwd`, `otp`, `consent`) and says what comes next.
pub(crate) fn advance(world: &World, ctx: &str, form: &Form) -> Step {
    let mut state = world.lock();
    let state = &mut *state;
    let now = state.now();
    let Some(mut sign_in) = state.sign_ins.0.get(ctx).filter(|sign_in| now - sign_in.began < LIFE).cloned() else {
        return Step::Ask(Page::Refused(aadsts(50_058, "This sign-in is over or was never begun. Start again.")));
    };
    let step = sign_in.step(world, state, ctx, form, now);
    match &step {
        Ok(Step::Leave(_)) => drop(state.sign_ins.0.remove(ctx)),
        _ => drop(state.sign_ins.0.insert(ctx.to_owned(), sign_in)),
    }
    step.unwrap_or_else(|error| Step::Ask(Page::Refused(error)))
}

impl SignIn {
    fn step(&mut self, world: &World, state: &mut State, ctx: &str, form: &Form, now: i64) -> Result<Step, EntraError> {
        if form.get("consent") == Some("cancel") {
            return self.cancel(state);
        }
        let user = match self.who(state, form) {
            Ok(user) => user,
            Err(error) => {
                let login = form.get("login").or(self.login_hint.as_deref()).unwrap_or_default().to_owned();
                return Ok(Step::Ask(Page::SignIn { ctx: ctx.to_owned(), login, error }));
            }
        };
        let tenant = self.tenant(state, &user)?;
        self.upn = Some(user.upn.clone());
        if user.mfa && state.scenario.mfa && !self.mfa {
            match form.get("otp") {
                Some(otp) if otp.trim() == user.otp => self.mfa = true,
                wrong => {
                    let error =
                        wrong.map(|_| aadsts(500_121, "Authentication failed during strong authentication request."));
                    return Ok(Step::Ask(Page::Mfa { ctx: ctx.to_owned(), upn: user.upn, error }));
                }
            }
        }
        let client = self.client_id().to_owned();
        let wanted = self.wanted(state, &tenant);
        if !wanted.is_empty() {
            if !(user.admin && form.get("consent") == Some("accept")) {
                return Ok(Step::Ask(Page::Consent {
                    ctx: ctx.to_owned(),
                    upn: user.upn,
                    app: client,
                    tenant,
                    rows: wanted.iter().map(row).collect(),
                    allowed: user.admin,
                }));
            }
            for asked in &wanted {
                state.directory.consent(&tenant, &client, asked.resource, &asked.permissions);
            }
        }
        let mut signed_in = SignedIn::new(user.upn.clone(), client, self.mfa, now);
        match &self.purpose {
            Purpose::Authorize(request) => signed_in.claims = request.claims.clone(),
            Purpose::Device { .. } => signed_in.by_device_code = true,
            Purpose::AdminConsent(_) => {}
        }
        let leave = match &self.purpose {
            Purpose::Authorize(request) => request.finish(world, state, &signed_in, &user, tenant),
            Purpose::AdminConsent(request) => request.finish(&tenant),
            Purpose::Device { device_code, .. } => {
                state.grants.answer_device(device_code, DeviceAnswer::Accepted { signed_in, tenant });
                Leave::Told("You are signed in on the other device. You may close this window.")
            }
        };
        Ok(Step::Leave(leave))
    }

    /// The user, once the password was right; nothing to say when none was sent yet.
    fn who(&self, state: &State, form: &Form) -> Result<User, Option<EntraError>> {
        if let Some(upn) = &self.upn {
            return state.directory.user(upn).cloned().ok_or(None);
        }
        let (Some(login), Some(password)) = (form.get("login").or(self.login_hint.as_deref()), form.get("passwd"))
        else {
            return Err(None);
        };
        let user = state.directory.user(login).ok_or_else(|| {
            let name = login.chars().take(100).collect::<String>();
            Some(aadsts(50_034, format!("The user account {name} does not exist in the directory. To sign into this application, the account must be added to the directory.")))
        })?;
        if user.password != password {
            return Err(Some(aadsts(50_126, "Error validating credentials due to invalid username or password.")));
        }
        Ok(user.clone())
    }

    /// The tenant that the sign-in is at: the user's own where the path names none.
    fn tenant(&self, state: &State, user: &User) -> Result<String, EntraError> {
        match self.path() {
            TenantPath::Home(_) => Ok(user.tenant.clone()),
            TenantPath::One(tenant) if state.reaches(&user.tenant, tenant) => Ok(tenant.clone()),
            TenantPath::One(tenant) => Err(stranger(state, &user.upn, &user.tenant, tenant)),
        }
    }

    /// What is asked for and not consented to yet.
    fn wanted(&self, state: &State, tenant: &str) -> Vec<Asked> {
        let (asked, always) = match &self.purpose {
            Purpose::Authorize(request) => (&request.scopes.asked, request.prompts_for_consent()),
            Purpose::Device { asked, .. } => (asked, false),
            Purpose::AdminConsent(request) => (&request.asked, true),
        };
        let is_open = |asked: &Asked| !state.directory.covers(tenant, self.client_id(), asked);
        let mut wanted: Vec<Asked> = asked.iter().filter(|asked| always || is_open(asked)).cloned().collect();
        // Static consent is to the whole registration, whichever resource it was asked by.
        if wanted.iter().any(|asked| asked.permissions.is_empty()) {
            let more: Vec<_> = samples::registered()
                .filter(|resource| !wanted.iter().any(|asked| std::ptr::eq(asked.resource, *resource)))
                .map(Asked::whole)
                .filter(|asked| always || is_open(asked))
                .collect();
            wanted.extend(more);
        }
        wanted
    }

    fn cancel(&self, state: &mut State) -> Result<Step, EntraError> {
        let declined = aadsts(65_004, "User declined to consent to access the app.");
        Ok(Step::Leave(match &self.purpose {
            Purpose::Authorize(request) => request.refused(&declined, Some("cancel"), state.now()),
            Purpose::AdminConsent(request) => request.refused(&declined, state.now()),
            Purpose::Device { device_code, .. } => {
                state.grants.answer_device(device_code, DeviceAnswer::Declined);
                Leave::Told("You declined. You may close this window.")
            }
        }))
    }

    fn path(&self) -> &TenantPath {
        match &self.purpose {
            Purpose::Authorize(request) => &request.path,
            Purpose::Device { path, .. } => path,
            Purpose::AdminConsent(request) => &request.path,
        }
    }

    fn client_id(&self) -> &str {
        match &self.purpose {
            Purpose::Authorize(request) => &request.client_id,
            Purpose::Device { client_id, .. } => client_id,
            Purpose::AdminConsent(request) => &request.client_id,
        }
    }
}

fn row(asked: &Asked) -> (String, Vec<String>) {
    let permissions = if asked.permissions.is_empty() {
        asked.resource.permissions.iter().map(|name| (*name).to_owned()).collect()
    } else {
        asked.permissions.clone()
    };
    (asked.resource.name.to_owned(), permissions)
}
