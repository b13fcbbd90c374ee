//! The pages: plain HTML that works without scripts, styles or anything from elsewhere.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    device,
    errors::{EntraError, Ids},
    sign_in::{FORM, Leave, Page, Step},
};
use crate::{grants::random, state::World};

/// What a step looks like in a browser.
pub(crate) fn render(world: &World, ids: &Ids, step: Step) -> Response {
    match step {
        Step::Leave(Leave::Redirect(url)) => redirect(&url),
        Step::Leave(Leave::FormPost { action, pairs }) => form_post(&action, &pairs),
        Step::Leave(Leave::Told(text)) => page(StatusCode::OK, "Done", &format!("<p>{}</p>", escape(text)), None),
        Step::Ask(Page::SignIn { ctx, login, error }) => {
            let focus = if login.is_empty() { ("autofocus", "") } else { ("", "autofocus") };
            let fields = format!(
                "<p><label for=\"login\">Account</label><br><input id=\"login\" name=\"login\" type=\"text\" autocomplete=\"username\" value=\"{}\" required {}></p>\
                 <p><label for=\"passwd\">Password</label><br><input id=\"passwd\" name=\"passwd\" type=\"password\" autocomplete=\"off\" required {}></p>\
                 <p><button type=\"submit\">Sign in</button></p>",
                escape(&login),
                focus.0,
                focus.1,
            );
            let cancel = format!(
                "<form method=\"post\" action=\"{FORM}\"><input type=\"hidden\" name=\"ctx\" value=\"{}\">\
                 <button name=\"consent\" value=\"cancel\">Cancel</button></form>",
                escape(&ctx)
            );
            page(StatusCode::OK, "Sign in", &format!("{}{}{cancel}", alert(error.as_ref()), form(&ctx, &fields)), None)
        }
        Step::Ask(Page::Mfa { ctx, upn, error }) => {
            let fields = "<p><label for=\"otp\">Code from your authenticator</label><br>\
                 <input id=\"otp\" name=\"otp\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required autofocus></p>\
                 <p><button type=\"submit\">Verify</button></p>";
            let body = format!("<p>Signing in as {}</p>{}{}", escape(&upn), alert(error.as_ref()), form(&ctx, fields));
            page(StatusCode::OK, "Approve sign-in", &body, None)
        }
        Step::Ask(Page::Consent { ctx, upn, app, tenant, rows, allowed }) => {
            consent(&ctx, &upn, &app, &tenant, &rows, allowed)
        }
        Step::Ask(Page::Refused(error)) => {
            let now = world.lock().now();
            let body = format!(
                "<p role=\"alert\">{}</p><p>Trace ID: {}<br>Correlation ID: {}</p>",
                escape(&error.description(ids, now)),
                escape(&ids.trace),
                escape(&ids.correlation)
            );
            page(StatusCode::BAD_REQUEST, "Sorry, but we are having trouble signing you in", &body, None)
        }
    }
}

/// The page of the device flow.
pub(crate) fn user_code(value: &str, error: Option<&str>) -> Response {
    let alert = error.map(|text| format!("<p role=\"alert\">{}</p>", escape(text))).unwrap_or_default();
    let body = format!(
        "{alert}<form method=\"post\" action=\"{}\"><p><label for=\"user_code\">Code shown on your device</label><br>\
         <input id=\"user_code\" name=\"user_code\" autocomplete=\"off\" value=\"{}\" required autofocus></p>\
         <p><button type=\"submit\">Next</button></p></form>",
        device::PAGE,
        escape(value)
    );
    page(StatusCode::OK, "Enter code", &body, None)
}

pub(crate) async fn signed_out() -> Response {
    page(StatusCode::OK, "Signed out", "<p>You are signed out.</p>", None)
}

fn consent(ctx: &str, upn: &str, app: &str, tenant: &str, rows: &[(String, Vec<String>)], allowed: bool) -> Response {
    let rows: String = rows
        .iter()
        .map(|(name, permissions)| {
            format!("<li><strong>{}</strong>: {}</li>", escape(name), escape(&permissions.join(", ")))
        })
        .collect();
    let (title, fields) = if allowed {
        (
            "Permissions requested",
            "<p><button name=\"consent\" value=\"accept\">Accept</button> <button name=\"consent\" value=\"cancel\">Cancel</button></p>",
        )
    } else {
        (
            "Need admin approval",
            "<p role=\"alert\">AADSTS90094: an administrator has to consent to these.</p>\
             <p><button name=\"consent\" value=\"cancel\">Return without consent</button></p>",
        )
    };
    let body = format!(
        "<p>{} at tenant {}</p><p>App {} wants:</p><ul>{rows}</ul>{}",
        escape(upn),
        escape(tenant),
        escape(app),
        form(ctx, fields)
    );
    page(StatusCode::OK, title, &body, None)
}

fn form(ctx: &str, fields: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{FORM}\"><input type=\"hidden\" name=\"ctx\" value=\"{}\">{fields}</form>",
        escape(ctx)
    )
}

fn alert(error: Option<&EntraError>) -> String {
    error.map(|error| format!("<p role=\"alert\">{}</p>", escape(&error.text))).unwrap_or_default()
}

fn redirect(url: &str) -> Response {
    match HeaderValue::try_from(url) {
        Ok(location) => (
            StatusCode::FOUND,
            [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(_) => page(StatusCode::BAD_REQUEST, "Sorry", "<p>The redirect URI cannot be sent.</p>", None),
    }
}

/// OAuth 2.0 Form Post Response Mode: a form that sends itself, or by a button where scripts are off.
fn form_post(action: &str, pairs: &[(String, String)]) -> Response {
    let inputs: String = pairs
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect();
    let nonce = random("", 16);
    let body = format!(
        "<form method=\"post\" action=\"{}\">{inputs}<p><button type=\"submit\">Continue</button></p></form>\
         <script nonce=\"{nonce}\">document.forms[0].submit()</script>",
        escape(action)
    );
    page(StatusCode::OK, "Working...", &body, Some(&nonce))
}

fn page(status: StatusCode, title: &str, body: &str, nonce: Option<&str>) -> Response {
    let title = escape(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>\n\
         <body><main><h1>{title}</h1>\n{body}\n<hr><p>partnersam emulator: nothing here is real.</p></main></body></html>\n"
    );
    let policy = match nonce {
        Some(nonce) => format!("default-src 'none'; frame-ancestors 'none'; script-src 'nonce-{nonce}'"),
        None => "default-src 'none'; frame-ancestors 'none'".to_owned(),
    };
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, &policy),
    ];
    (status, headers, html).into_response()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
