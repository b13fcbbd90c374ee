//! The app's own registration and its credentials
//! (<https://learn.microsoft.com/graph/api/application-addpassword>, <https://learn.microsoft.com/graph/api/application-addkey>).
//!
//! A password is added and removed by whoever may write the registration. A key is added and removed by whoever, besides, signs with one that is
//! registered already: that is the proof of possession (<https://learn.microsoft.com/graph/application-rollkey-prooftoken>).

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::call::{self, Denied};
use crate::clock::UnixTime;
use crate::error::{Actor, Error, ErrorKind, Result};
use crate::ids::ClientId;
use crate::protocol::assertion::Algorithm;
use crate::protocol::{json_body, outside_text};
use crate::secret::{AccessToken, ClientSecret};

/// How an app registration and its credentials stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The registration's own id, which is not the client id.
    pub id: Uuid,
    /// Its passwords, without their texts.
    pub passwords: Vec<Credential>,
    /// Its certificates.
    pub keys: Vec<Credential>,
}

/// A registered password or certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// By which it is removed.
    pub key_id: Uuid,
    /// How its owner called it; empty where that was not said.
    pub name: String,
    /// The first three characters of a password, where Graph tells.
    pub hint: Option<String>,
    /// SHA-1 of a certificate (DER), by which it is found among others.
    pub certificate_sha1: Option<[u8; 20]>,
}

/// A password that was just added. Its text is shown this once.
#[derive(Debug)]
pub struct AddedPassword {
    /// By which it is removed.
    pub key_id: Uuid,
    /// The text itself.
    pub secret: ClientSecret,
}

const DENIED: Denied = Denied {
    words: "Graph does not let the app change its own registration",
    actor: Actor::AppDeveloper,
    hint: "give the app the application permission Application.ReadWrite.OwnedBy of Microsoft Graph, make it an owner of its registration, and have an \
           administrator of its tenant consent; or change the credential by hand",
};

/// The request for the registration of this app, in its home tenant.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header or the client id is no GUID.
pub fn find_request(base: &Url, app: &ClientId, token: &AccessToken, id: Uuid) -> Result<Request<Vec<u8>>> {
    let app = guid(app)?;
    let path = format!("/v1.0/applications(appId='{app}')?$select=id,appId,passwordCredentials,keyCredentials");
    call::request(Method::GET, base, &path, None, token, id)
}

/// Reads the registration.
///
/// Errors: `AudienceNotConsented` where the token may not read it; those of other statuses; `ResponseMalformed`.
pub fn read_found<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Registration> {
    let raw: RawRegistration = read(response, retry_after)?;
    let take = |rows: Vec<RawCredential>| rows.into_iter().map(RawCredential::credential).collect();
    Ok(Registration { id: raw.id, passwords: take(raw.password_credentials), keys: take(raw.key_credentials) })
}

/// The request that adds a password of that name; the service makes its text.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn add_password_request(
    base: &Url,
    registration: Uuid,
    name: &str,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    let body = json!({ "passwordCredential": { "displayName": name } });
    act(base, registration, "addPassword", &body, token, id)
}

/// Reads the added password.
///
/// Errors: as [`read_found`].
pub fn read_added_password<B: AsRef<[u8]>>(
    response: &Response<B>,
    retry_after: Option<Duration>,
) -> Result<AddedPassword> {
    let raw: RawPassword = read(response, retry_after)?;
    if raw.secret_text.is_empty() {
        return Err(call::malformed("has no text of the new password"));
    }
    Ok(AddedPassword { key_id: raw.key_id, secret: ClientSecret::new(raw.secret_text) })
}

/// The request that removes a password.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn remove_password_request(
    base: &Url,
    registration: Uuid,
    key_id: Uuid,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    act(base, registration, "removePassword", &json!({ "keyId": key_id }), token, id)
}

/// The request that adds a certificate (DER); `proof` is signed by a key that is registered already.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn add_key_request(
    base: &Url,
    registration: Uuid,
    name: &str,
    certificate: &[u8],
    proof: &str,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    let body = json!({
        "keyCredential": {
            "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": name, "key": STANDARD.encode(certificate),
        },
        "passwordCredential": null,
        "proof": proof,
    });
    act(base, registration, "addKey", &body, token, id)
}

/// Reads the id of the added certificate.
///
/// Errors: as [`read_found`].
pub fn read_added_key<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Uuid> {
    read::<RawCredential, B>(response, retry_after).map(|raw| raw.key_id)
}

/// The request that removes a certificate; `proof` is signed by a key that stays.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn remove_key_request(
    base: &Url,
    registration: Uuid,
    key_id: Uuid,
    proof: &str,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    act(base, registration, "removeKey", &json!({ "keyId": key_id, "proof": proof }), token, id)
}

/// Reads the reply to a removal: false where there was no such credential any more.
///
/// Errors: as [`read_found`].
pub fn read_removed<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<bool> {
    match call::check(response, retry_after, DENIED) {
        Ok(()) => Ok(true),
        Err(error) if error.http_status() == Some(400) && error.message().contains("credential found with keyId") => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whom a proof of possession is for: Azure AD Graph's app id, as Graph's documentation has it.
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// Seconds that a proof is good for: Graph takes ten minutes at most.
const PROOF_LIFETIME: i64 = 600;

/// How a proof is signed: as in Graph's own samples.
pub const PROOF_ALGORITHM: Algorithm = Algorithm::Rs256;

/// The text that a registered key signs by [`PROOF_ALGORITHM`] to prove possession; see [`assertion::compact`](crate::protocol::assertion::compact).
pub fn proof_input(registration: Uuid, certificate_sha1: [u8; 20], now: UnixTime) -> String {
    let x5t = URL_SAFE_NO_PAD.encode(certificate_sha1);
    let header = json!({ "alg": PROOF_ALGORITHM.name(), "typ": "JWT", "x5t": x5t }).to_string();
    let claims = json!({
        "aud": PROOF_AUDIENCE, "iss": registration, "nbf": now.plus(-30).0, "exp": now.plus(PROOF_LIFETIME - 30).0,
    })
    .to_string();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn act(
    base: &Url,
    registration: Uuid,
    action: &str,
    body: &Value,
    token: &AccessToken,
    id: Uuid,
) -> Result<Request<Vec<u8>>> {
    call::request(Method::POST, base, &format!("/v1.0/applications/{registration}/{action}"), Some(body), token, id)
}

fn read<T: DeserializeOwned, B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<T> {
    call::check(response, retry_after, DENIED)?;
    json_body::parse(response.body().as_ref(), call::LARGEST_BODY).ok_or_else(|| call::malformed("cannot be read"))
}

/// Goes into the path: nothing but a GUID may.
fn guid(app: &ClientId) -> Result<Uuid> {
    Uuid::try_parse(app.as_str())
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, "graph", "the client id is not a GUID"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRegistration {
    id: Uuid,
    #[serde(default)]
    password_credentials: Vec<RawCredential>,
    #[serde(default)]
    key_credentials: Vec<RawCredential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCredential {
    key_id: Uuid,
    display_name: Option<String>,
    hint: Option<String>,
    /// The certificate, where it was asked for.
    key: Option<String>,
    /// Its thumbprint, unless its owner said otherwise: in hexadecimal or base64.
    custom_key_identifier: Option<String>,
}

impl RawCredential {
    fn credential(self) -> Credential {
        Credential {
            certificate_sha1: self.certificate_sha1(),
            key_id: self.key_id,
            name: outside_text::name(&self.display_name.unwrap_or_default()),
            hint: self.hint.filter(|hint| !hint.is_empty()),
        }
    }

    fn certificate_sha1(&self) -> Option<[u8; 20]> {
        let certificate = self.key.as_ref().and_then(|key| STANDARD.decode(key).ok());
        if let Some(certificate) = certificate.filter(|der| !der.is_empty()) {
            return digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate).as_ref().try_into().ok();
        }
        let text = self.custom_key_identifier.as_ref()?;
        hexadecimal(text).or_else(|| STANDARD.decode(text).ok()?.try_into().ok())
    }
}

/// Twenty bytes.
fn hexadecimal(text: &str) -> Option<[u8; 20]> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPassword {
    key_id: Uuid,
    secret_text: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn answer(status: u16, body: &Value) -> Response<Vec<u8>> {
        Response::builder().status(status).body(body.to_string().into_bytes()).unwrap()
    }

    fn sent(request: &Request<Vec<u8>>) -> (String, Value) {
        (request.uri().path().to_owned(), serde_json::from_slice(request.body()).unwrap())
    }

    #[test]
    fn a_registration_is_found_by_the_client_id() {
        let (base, token) = (Url::parse("https://graph.microsoft.com").unwrap(), AccessToken::new("test-token"));
        let app: ClientId = "eeeeeeee-0000-4000-8000-000000000001".parse().unwrap();
        let request = find_request(&base, &app, &token, Uuid::from_u128(1)).unwrap();
        assert!(request.uri().path().ends_with("/applications(appId='eeeeeeee-0000-4000-8000-000000000001')"));
        assert!(request.uri().query().unwrap().contains("passwordCredentials"));
        let found = read_found(
            &answer(
                200,
                &json!({
                    "id": Uuid::from_u128(5), "keyCredentials": [],
                    "passwordCredentials": [{ "keyId": Uuid::from_u128(6), "displayName": null, "hint": "abc" }],
                }),
            ),
            None,
        )
        .unwrap();
        assert_eq!((found.id, found.passwords[0].hint.as_deref()), (Uuid::from_u128(5), Some("abc")));
        let denied = read_found(&answer(403, &json!({})), None).unwrap_err();
        assert!(denied.hint().contains("Application.ReadWrite.OwnedBy"));
    }

    #[test]
    fn a_password_is_added_read_once_and_removed() {
        let (base, token) = (Url::parse("https://graph.microsoft.com").unwrap(), AccessToken::new("test-token"));
        let (registration, id) = (Uuid::from_u128(5), Uuid::from_u128(1));
        let (path, body) = sent(&add_password_request(&base, registration, "test", &token, id).unwrap());
        assert_eq!(path, format!("/v1.0/applications/{registration}/addPassword"));
        assert_eq!(body, json!({ "passwordCredential": { "displayName": "test" } }));
        let added = answer(200, &json!({ "keyId": Uuid::from_u128(7), "secretText": "not-a-real-secret" }));
        let added = read_added_password(&added, None).unwrap();
        assert_eq!((added.key_id, added.secret.expose()), (Uuid::from_u128(7), "not-a-real-secret"));
        assert!(!format!("{added:?}").contains("not-a-real"));
        assert!(read_added_password(&answer(200, &json!({ "keyId": added.key_id, "secretText": "" })), None).is_err());
        let (path, body) = sent(&remove_password_request(&base, registration, added.key_id, &token, id).unwrap());
        assert!(path.ends_with("/removePassword"));
        assert_eq!(body, json!({ "keyId": added.key_id }));
        assert!(read_removed(&Response::builder().status(204).body(Vec::new()).unwrap(), None).unwrap());
        let gone =
            json!({ "error": { "code": "Request_BadRequest", "message": "No password credential found with keyId." } });
        assert!(!read_removed(&answer(400, &gone), None).unwrap());
        assert!(read_removed(&answer(400, &json!({ "error": { "code": "x", "message": "y" } })), None).is_err());
    }

    #[test]
    fn a_certificate_is_found_by_itself_or_by_its_thumbprint() {
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[1, 2, 3]);
        let hexadecimal: String = sha1.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        for row in [
            json!({ "keyId": Uuid::from_u128(6), "key": "AQID" }),
            json!({ "keyId": Uuid::from_u128(6), "key": null, "customKeyIdentifier": hexadecimal }),
            json!({ "keyId": Uuid::from_u128(6), "customKeyIdentifier": STANDARD.encode(sha1) }),
        ] {
            let found = answer(200, &json!({ "id": Uuid::from_u128(5), "keyCredentials": [row] }));
            let found = read_found(&found, None).unwrap();
            assert_eq!(found.keys[0].certificate_sha1.unwrap().as_slice(), sha1.as_ref());
        }
        for row in ["", "xx", "AQID"] {
            let row = json!({ "keyId": Uuid::from_u128(6), "key": "not base64", "customKeyIdentifier": row });
            let found = answer(200, &json!({ "id": Uuid::from_u128(5), "keyCredentials": [row] }));
            assert_eq!(read_found(&found, None).unwrap().keys[0].certificate_sha1, None);
        }
    }

    #[test]
    fn a_key_goes_with_a_proof_for_the_registration() {
        let (base, token) = (Url::parse("https://graph.microsoft.com").unwrap(), AccessToken::new("test-token"));
        let (registration, id) = (Uuid::from_u128(5), Uuid::from_u128(1));
        let input = proof_input(registration, [9; 20], UnixTime(1_000));
        let (_, claims) = input.split_once('.').unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!((&claims["aud"], &claims["iss"]), (&json!(PROOF_AUDIENCE), &json!(registration)));
        assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(970), &json!(1_570)));
        let request = add_key_request(&base, registration, "test", &[1, 2, 3], "a.b.c", &token, id).unwrap();
        let (path, body) = sent(&request);
        assert!(path.ends_with("/addKey"));
        assert_eq!((&body["keyCredential"]["key"], &body["proof"]), (&json!("AQID"), &json!("a.b.c")));
        let added = answer(200, &json!({ "keyId": Uuid::from_u128(7), "displayName": "test" }));
        assert_eq!(read_added_key(&added, None).unwrap(), Uuid::from_u128(7));
        let (path, body) = sent(&remove_key_request(&base, registration, Uuid::from_u128(7), "p", &token, id).unwrap());
        assert!(path.ends_with("/removeKey") && body["proof"] == "p");
    }
}
