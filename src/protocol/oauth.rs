//! The requests of the authorization code, refresh token and device flows, built and not sent.
//!
//! The only file that names the crate `oauth2`: it makes PKCE, state, the authorization address and the token requests by RFC 6749 and RFC 7636.
//! Its request types want to send by themselves, so they are handed a client that keeps the request and sends nothing: this module stays pure.

use std::cell::RefCell;
use std::fmt;

use http::{HeaderValue, Method, header};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, CsrfToken, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenUrl,
};
use url::Url;

use super::form::Form;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::secret::{AuthorizationCode, ClientSecret, DeviceCode, PkceVerifier, RefreshToken};

/// A request whose body may hold secrets, ready for a transport.
pub type Request = http::Request<Vec<u8>>;

/// How the app proves itself at the token endpoint.
#[derive(Debug)]
pub enum ClientAuthentication<'a> {
    /// `client_secret` in the body (RFC 6749 section 2.3.1).
    Secret(&'a ClientSecret),
    /// A signed assertion (RFC 7523 section 2.2).
    Assertion(&'a str),
    /// A public client names itself and proves nothing.
    None,
}

/// What to put into an authorization address.
#[derive(Debug)]
pub struct Authorization<'a> {
    /// The authorization endpoint.
    pub endpoint: &'a Url,
    /// The app.
    pub client_id: &'a ClientId,
    /// Where the reply goes.
    pub redirect_uri: &'a Url,
    /// Scopes, the OpenID ones included.
    pub scopes: &'a [String],
    /// Resource indicators (RFC 8707), where the server works by them.
    pub resources: &'a [String],
    /// `form_post` keeps the code out of addresses, histories and logs.
    pub response_mode: &'a str,
    /// `login` makes the person sign in anew: MFA that was done long ago proves nothing.
    pub prompt: &'a str,
    /// Account to propose.
    pub login_hint: Option<&'a str>,
    /// Claims that the sign-in must satisfy, as JSON.
    pub claims: Option<&'a str>,
}

/// An authorization address and what its reply must be matched with.
#[derive(Debug)]
pub struct AuthorizationLink {
    /// The address to open.
    pub url: Url,
    /// One-use value that the reply must repeat; 256 random bits.
    pub state: String,
    /// Value that the id token must repeat; 256 random bits.
    pub nonce: String,
    /// Proves at the token endpoint that the reply came to who asked.
    pub verifier: PkceVerifier,
}

/// Makes an authorization address with PKCE S256, state and nonce.
pub fn authorization_link(ask: &Authorization<'_>) -> Result<AuthorizationLink> {
    let client = BasicClient::new(oauth2::ClientId::new(ask.client_id.to_string()))
        .set_auth_uri(AuthUrl::from_url(ask.endpoint.clone()));
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let nonce = CsrfToken::new_random_len(32).secret().clone();
    let redirect = redirect(ask.redirect_uri)?;
    let mut request = client
        .authorize_url(|| CsrfToken::new_random_len(32))
        .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect))
        .set_pkce_challenge(challenge)
        .add_scopes(ask.scopes.iter().cloned().map(Scope::new))
        .add_extra_param("response_mode", ask.response_mode)
        .add_extra_param("nonce", nonce.as_str())
        .add_extra_param("prompt", ask.prompt);
    for resource in ask.resources {
        request = request.add_extra_param("resource", resource.as_str());
    }
    if let Some(hint) = ask.login_hint {
        request = request.add_extra_param("login_hint", hint);
    }
    if let Some(claims) = ask.claims {
        request = request.add_extra_param("claims", claims);
    }
    let (url, state) = request.url();
    Ok(AuthorizationLink {
        url,
        state: state.secret().clone(),
        nonce,
        verifier: PkceVerifier::new(verifier.secret().as_str()),
    })
}

/// What every token request has: where it goes and who asks.
#[derive(Debug)]
pub struct TokenRequest<'a> {
    /// The token endpoint.
    pub endpoint: &'a Url,
    /// The app.
    pub client_id: &'a ClientId,
    /// How it proves itself.
    pub authentication: ClientAuthentication<'a>,
    /// Scopes, a space between them; may be empty.
    pub scope: &'a str,
    /// The resource, where the server wants it beside or instead of scopes.
    pub resource: Option<&'a str>,
    /// Claims to satisfy, as JSON.
    pub claims: Option<&'a str>,
}

/// Redeems an authorization code (RFC 6749 section 4.1.3 with RFC 7636 section 4.5).
pub fn redeem_code(
    ask: &TokenRequest<'_>,
    code: &AuthorizationCode,
    verifier: &PkceVerifier,
    redirect_uri: &Url,
) -> Result<Request> {
    let redirect = redirect(redirect_uri)?;
    let client = ask.client();
    // EXPOSE: code and verifier go into the body of the token request.
    let mut request = client
        .exchange_code(oauth2::AuthorizationCode::new(code.expose().to_owned()))
        .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
    for (key, value) in ask.extra_parameters() {
        request = request.add_extra_param(key, value);
    }
    if !ask.scope.is_empty() {
        request = request.add_extra_param("scope", ask.scope);
    }
    captured(|keep| request.request(&keep).err().is_some())
}

/// Redeems a refresh token (RFC 6749 section 6). Not through the crate: it copies the token on its way, reads the address twice, and would cost more
/// than the rest of a renewal's request.
pub fn redeem_refresh_token(ask: &TokenRequest<'_>, refresh_token: &RefreshToken) -> Result<Request> {
    // EXPOSE: the refresh token goes into the body of the token request.
    let own = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose()), ("scope", ask.scope)];
    ask.form(own.split_at(if ask.scope.is_empty() { 2 } else { 3 }).0)
}

/// Asks for a token of the app alone (RFC 6749 section 4.4).
pub fn client_credentials(ask: &TokenRequest<'_>) -> Result<Request> {
    let scope = (!ask.scope.is_empty()).then_some(("scope", ask.scope));
    let own: Vec<_> = std::iter::once(("grant_type", "client_credentials")).chain(scope).collect();
    ask.form(&own)
}

/// Asks for a device code (RFC 8628 section 3.1), for these resources where the server works by them (RFC 8707 section 2).
pub fn request_device_code(ask: &TokenRequest<'_>, resources: &[String]) -> Result<Request> {
    let own: Vec<_> = [("scope", ask.scope)]
        .into_iter()
        .chain(resources.iter().map(|resource| ("resource", resource.as_str())))
        .collect();
    ask.form(&own)
}

/// Asks whether the person has used the device code (RFC 8628 section 3.4).
pub fn redeem_device_code(ask: &TokenRequest<'_>, code: &DeviceCode) -> Result<Request> {
    // EXPOSE: the device code goes into the body of the token request.
    ask.form(&[("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code.expose())])
}

impl TokenRequest<'_> {
    fn client(
        &self,
    ) -> BasicClient<
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointSet,
    > {
        let mut client = BasicClient::new(oauth2::ClientId::new(self.client_id.to_string()))
            .set_token_uri(TokenUrl::from_url(self.endpoint.clone()))
            // Entra and the vendors' guides send the secret in the body; Basic would need it form-encoded twice.
            .set_auth_type(AuthType::RequestBody);
        if let ClientAuthentication::Secret(secret) = &self.authentication {
            // EXPOSE: the secret goes into the body of the token request.
            client = client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
        }
        client
    }

    fn extra_parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let assertion = match self.authentication {
            ClientAuthentication::Assertion(assertion) => Some(assertion),
            ClientAuthentication::Secret(_) | ClientAuthentication::None => None,
        };
        let type_of_assertion = assertion.map(|_| "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let extra = [
            ("client_assertion_type", type_of_assertion),
            ("client_assertion", assertion),
            ("resource", self.resource),
            ("claims", self.claims),
        ];
        extra.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// A form for the token endpoint. The device flow and the app alone go by it, too: the crate would poll by itself, with a clock of its own.
    fn form(&self, own: &[(&str, &str)]) -> Result<Request> {
        let mut form = Form::new();
        form.append("client_id", self.client_id.as_str());
        for (name, value) in own {
            form.append(name, value);
        }
        if let ClientAuthentication::Secret(secret) = &self.authentication {
            // EXPOSE: the secret goes into the body of the token request.
            form.append("client_secret", secret.expose());
        }
        for (name, value) in self.extra_parameters() {
            form.append(name, value);
        }
        http::Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.as_str())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            // As it was parsed once: a transport that wants it need not do so again.
            .extension(self.endpoint.clone())
            .body(form.into_bytes())
            .map_err(|_| Error::new(ErrorKind::Internal, "token", "a token request could not be built"))
    }
}

fn redirect(uri: &Url) -> Result<RedirectUrl> {
    RedirectUrl::new(uri.to_string())
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, "consent", "the redirect address is not valid"))
}

/// The error that the capturing client answers with, to end the exchange before it starts.
#[derive(Debug)]
struct Captured;

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("captured, not sent")
    }
}

impl std::error::Error for Captured {}

/// Lets `exchange` run against a client that keeps the request.
fn captured(exchange: impl FnOnce(&dyn Fn(HttpRequest) -> Result<HttpResponse, Captured>) -> bool) -> Result<Request> {
    let kept = RefCell::new(None);
    let keep = |request: HttpRequest| {
        kept.replace(Some(request));
        Err(Captured)
    };
    let ended = exchange(&keep);
    match (ended, kept.into_inner()) {
        (true, Some(request)) => Ok(request),
        _ => Err(Error::new(ErrorKind::Internal, "token", "a token request could not be built")),
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    fn fields(request: &Request) -> HashMap<String, String> {
        url::form_urlencoded::parse(request.body()).into_owned().collect()
    }

    #[test]
    fn the_link_binds_state_nonce_and_verifier() {
        let client_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("id");
        let ask = Authorization {
            endpoint: &url("https://login.example/t/oauth2/v2.0/authorize"),
            client_id: &client_id,
            redirect_uri: &url("http://localhost:5000/"),
            scopes: &["openid".into(), "https://graph.microsoft.com/User.Read".into()],
            resources: &[],
            response_mode: "form_post",
            prompt: "login",
            login_hint: None,
            claims: None,
        };
        let (one, two) = (authorization_link(&ask).expect("link"), authorization_link(&ask).expect("link"));
        assert_ne!(one.state, two.state);
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.verifier.expose(), two.verifier.expose());
        assert!(one.state.len() >= 43 && one.nonce.len() >= 43);
        let query: HashMap<_, _> = one.url.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["prompt"], "login");
        assert_eq!(query["response_mode"], "form_post");
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["state"], one.state);
        assert_eq!(query["nonce"], one.nonce);
        assert_eq!(query["scope"], "openid https://graph.microsoft.com/User.Read");
        assert!(!one.url.as_str().contains(one.verifier.expose()));
    }

    #[test]
    fn secrets_with_reserved_characters_arrive_whole() {
        let client_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("id");
        let secret = ClientSecret::new("not+a&real%secret=");
        let ask = |authentication| TokenRequest {
            endpoint: Box::leak(Box::new(url("https://login.example/t/oauth2/v2.0/token"))),
            client_id: &client_id,
            authentication,
            scope: "https://graph.microsoft.com/.default offline_access",
            resource: None,
            claims: None,
        };
        let request =
            redeem_refresh_token(&ask(ClientAuthentication::Secret(&secret)), &RefreshToken::new("not-a-real-token"))
                .expect("request");
        assert_eq!(request.method(), Method::POST);
        let sent = fields(&request);
        assert_eq!(sent["client_secret"], "not+a&real%secret=");
        assert_eq!(sent["grant_type"], "refresh_token");
        assert_eq!(sent["refresh_token"], "not-a-real-token");
        assert_eq!(sent["scope"], "https://graph.microsoft.com/.default offline_access");
        assert_eq!(sent["client_id"], client_id.as_str());

        let code = redeem_code(
            &ask(ClientAuthentication::Assertion("a.b.c")),
            &AuthorizationCode::new("code"),
            &PkceVerifier::new("v".repeat(43)),
            &url("http://localhost:1/"),
        )
        .expect("request");
        let sent = fields(&code);
        assert_eq!(sent["client_assertion"], "a.b.c");
        assert_eq!(sent["code_verifier"], "v".repeat(43));
        assert_eq!(sent["redirect_uri"], "http://localhost:1/");
        assert!(!sent.contains_key("client_secret"));

        let device = redeem_device_code(&ask(ClientAuthentication::None), &DeviceCode::new("d")).expect("request");
        assert_eq!(fields(&device)["device_code"], "d");
        let alone = client_credentials(&ask(ClientAuthentication::Secret(&secret))).expect("request");
        let sent = fields(&alone);
        assert_eq!(
            (sent["grant_type"].as_str(), sent["client_secret"].as_str()),
            ("client_credentials", "not+a&real%secret=")
        );
    }
}
