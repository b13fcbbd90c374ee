//! The `claims` parameter (OpenID Connect Core section 5.5): what an API asked for by its challenge, and what a client can do.

use serde_json::{Map, Value};

use super::errors::{EntraError, aadsts};
use crate::form::Form;

/// The claims of an access token that a request asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Requested(Map<String, Value>);

impl Requested {
    /// Out of a request; nothing where it has none.
    pub(crate) fn of(form: &Form) -> Result<Self, EntraError> {
        let Some(text) = form.get("claims") else { return Ok(Self::default()) };
        let malformed = || aadsts(9_002_313, "Invalid request. The parameter 'claims' is not a JSON object.");
        let parsed: Map<String, Value> = serde_json::from_str(text).map_err(|_| malformed())?;
        match parsed.get("access_token") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(access)) => Ok(Self(access.clone())),
            Some(_) => Err(malformed()),
        }
    }

    /// Those that a token was issued for.
    pub(crate) fn from_map(map: Map<String, Value>) -> Self {
        Self(map)
    }

    pub(crate) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// These and others; the others win.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.0.clone();
        both.extend(other.0.clone());
        Self(both)
    }

    /// Whether all that these claims (`{"access_token": {...}}`) ask for was asked for here, too.
    pub(crate) fn cover(&self, claims: &Value) -> bool {
        match claims.get("access_token").and_then(Value::as_object) {
            Some(wanted) => wanted.iter().all(|(name, value)| self.0.get(name) == Some(value)),
            None => false,
        }
    }

    /// Whether the client can deal with a challenge (`cp1`), and so gets tokens that live long and end at once.
    pub(crate) fn is_capable(&self) -> bool {
        values(self.0.get("xms_cc")).iter().any(|value| value.eq_ignore_ascii_case("cp1"))
    }

    /// The authentication contexts asked for.
    pub(crate) fn contexts(&self) -> Vec<&str> {
        values(self.0.get("acrs"))
    }
}

/// `value` and `values` of a claim.
fn values(claim: Option<&Value>) -> Vec<&str> {
    let one = claim.and_then(|claim| claim.get("value"));
    let many = claim.and_then(|claim| claim.get("values")).and_then(Value::as_array);
    one.into_iter().chain(many.into_iter().flatten()).filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn requested(text: &str) -> Result<Requested, EntraError> {
        let mut form = Form::default();
        form.insert("claims", text.to_owned());
        Requested::of(&form)
    }

    #[test]
    fn what_was_asked_for_is_covered_by_more_and_not_by_less() {
        let challenge = json!({ "access_token": { "acrs": { "essential": true, "value": "c1" } } });
        let merged =
            r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["CP1"]}},"id_token":{}}"#;
        let merged = requested(merged).unwrap();
        assert!(merged.cover(&challenge) && merged.is_capable());
        assert_eq!(merged.contexts(), ["c1"]);
        let less = requested(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#).unwrap();
        assert!(!less.cover(&challenge) && less.and(&merged).cover(&challenge));
        assert!(!merged.cover(&json!("text")));
        for wrong in ["", "x", "[]", r#"{"access_token":[]}"#] {
            assert_eq!(requested(wrong).is_err(), !wrong.is_empty(), "{wrong}");
        }
    }
}
