//! What a vendor wants to be consented to at customers: a small file, and how it differs from what stands there.
//!
//! ```toml
//! display_name = "Fabrikam Panel"
//!
//! [grants]
//! graph = ["Directory.Read.All", "User.Read.All"]
//! arm = ["user_impersonation"]
//! "c5393580-f805-4401-95e8-94b7a6ef2fc2" = ["ActivityFeed.Read"]
//! ```

use serde_json::Value;

use super::standing_grants::Standing;
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};

/// The file's content, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredGrants {
    display_name: String,
    grants: Vec<DesiredGrant>,
}

/// One resource and the scopes that are wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredGrant {
    name: String,
    app_id: String,
    scopes: Vec<String>,
}

/// Bytes that such a file may have.
const LARGEST: usize = 64 << 10;

const MOST_RESOURCES: usize = 64;

const MOST_SCOPES: usize = 400;

/// Scopes that every sign-in may bring along. Nobody asks for them here, and nobody minds them.
const OF_SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

impl DesiredGrants {
    /// Reads TOML, or JSON of the same shape.
    ///
    /// Errors: `ConfigInvalid`, which names the key and what was expected, or the line.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LARGEST {
            return Err(invalid("the grants file must be 64 KiB or less"));
        }
        let value: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text)
                .map_err(|error| invalid(format!("the grants file is not valid JSON at line {}", error.line())))?
        } else {
            toml::from_str(text).map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                invalid(format!("the grants file is not valid TOML at line {}", before.matches('\n').count() + 1))
            })?
        };
        Self::of(value)
    }

    fn of(value: Value) -> Result<Self> {
        let Value::Object(mut keys) = value else { return Err(invalid("the grants file must be a table")) };
        let display_name = keys.remove("display_name");
        let grants = keys.remove("grants");
        if let Some(key) = keys.keys().next() {
            return Err(invalid(format!("unknown key: {}", shown(key))));
        }
        let display_name = match display_name {
            Some(Value::String(name)) => name.trim().to_owned(),
            _ => String::new(),
        };
        if display_name.is_empty() || display_name.chars().count() > 120 || display_name.chars().any(char::is_control) {
            return Err(invalid("display_name must be the app's name, 1 to 120 characters"));
        }
        let rows = match grants {
            Some(Value::Object(rows)) if (1..=MOST_RESOURCES).contains(&rows.len()) => rows,
            _ => return Err(invalid("grants must be a table from resource to a list of scopes")),
        };
        let mut grants =
            rows.iter().map(|(name, scopes)| DesiredGrant::of(name, scopes)).collect::<Result<Vec<_>>>()?;
        grants.sort_by(|a, b| a.app_id.cmp(&b.app_id));
        let twice = grants.windows(2).find_map(|pair| match pair {
            [a, b] if a.app_id == b.app_id => Some(b),
            _ => None,
        });
        if let Some(twice) = twice {
            return Err(invalid(format!("grants names a resource twice: {}", twice.name)));
        }
        Ok(Self { display_name, grants })
    }

    /// How the app is called in customers' tenants.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// One per resource, in the order of the app ids.
    pub fn grants(&self) -> &[DesiredGrant] {
        &self.grants
    }

    /// The same text for the same grants, however the file is written: what tells one run's progress from another's.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        for grant in &self.grants {
            text.push_str(&format!("{} {}\n", grant.app_id, grant.scopes.join(" ").to_ascii_lowercase()));
        }
        text
    }

    /// How `standing` differs from what is wanted: one row per resource that is wanted or granted.
    pub fn compare(&self, standing: &Standing) -> Vec<Difference> {
        let mut rows: Vec<Difference> = self
            .grants
            .iter()
            .map(|wanted| {
                let granted = standing.scopes_of(&wanted.app_id);
                Difference {
                    app_id: wanted.app_id.clone(),
                    name: wanted.name.clone(),
                    is_known: standing.knows(&wanted.app_id),
                    missing: without(&wanted.scopes, granted),
                    extra: without(granted, &wanted.scopes),
                    is_granted: !granted.is_empty(),
                }
            })
            .collect();
        for granted in standing.grants().iter().filter(|granted| !self.wants(&granted.app_id)) {
            rows.push(Difference {
                app_id: granted.app_id.clone(),
                name: resource_name(&granted.app_id, &granted.name),
                is_known: true,
                missing: Vec::new(),
                extra: without(&granted.scopes, &[]),
                is_granted: true,
            });
        }
        rows.retain(|row| self.wants(&row.app_id) || !row.extra.is_empty());
        rows
    }

    fn wants(&self, app_id: &str) -> bool {
        self.grants.iter().any(|wanted| wanted.app_id == app_id)
    }
}

impl DesiredGrant {
    fn of(name: &str, scopes: &Value) -> Result<Self> {
        let app_id = app_id(name).ok_or_else(|| {
            invalid(format!("grants has a resource that is neither an audience nor an app id: {}", shown(name)))
                .with_hint("name it partner-center, graph, arm, exchange, key-vault, teams, or by its app id, a GUID")
        })?;
        let list = scopes.as_array().filter(|list| (1..=MOST_SCOPES).contains(&list.len()));
        let scopes = list.and_then(|list| list.iter().map(scope).collect::<Option<Vec<_>>>()).ok_or_else(|| {
            invalid(format!("grants.{} must be a list of delegated scopes by name", shown(name)))
                .with_hint("name each scope, such as User.Read.All: no .default, no app roles, no address before it")
        })?;
        let mut scopes = without(&scopes, &[]);
        if scopes.is_empty() {
            return Err(invalid(format!("grants.{} must name a scope beside those of sign-in", shown(name))));
        }
        scopes.sort_by_key(|scope| scope.to_ascii_lowercase());
        scopes.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        Ok(Self { name: resource_name(&app_id, name), app_id, scopes })
    }

    /// The resource as people call it: an audience's name, or the app id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resource's app id, a GUID in lower case.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The scopes wanted, in alphabetical order, each once.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

/// One resource at one customer: what is wanted of it and what is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The resource's app id.
    pub app_id: String,
    /// The resource as people call it.
    pub name: String,
    /// Whether the customer's tenant has the resource at all: it has a service principal there.
    pub is_known: bool,
    /// Scopes that are wanted and not granted.
    pub missing: Vec<String>,
    /// Scopes that are granted and not wanted.
    pub extra: Vec<String>,
    /// Whether anything of it is granted.
    pub is_granted: bool,
}

impl Difference {
    /// Whether nothing is missing and nothing too much.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty()
    }

    /// Whether it can only be put right by withdrawing what there is: a grant is never widened or narrowed.
    pub fn needs_withdrawal(&self) -> bool {
        self.is_granted && !self.is_none()
    }
}

/// Those of `scopes` that are not in `others`; names differ by more than case.
fn without(scopes: &[String], others: &[String]) -> Vec<String> {
    let is_in = |scope: &String, list: &[String]| list.iter().any(|other| other.eq_ignore_ascii_case(scope));
    scopes
        .iter()
        .filter(|scope| !is_in(scope, others) && !OF_SIGN_IN.iter().any(|own| own.eq_ignore_ascii_case(scope)))
        .cloned()
        .collect()
}

fn app_id(name: &str) -> Option<String> {
    let audience: Audience = name.parse().ok()?;
    match &audience {
        Audience::Resource(id) if uuid::Uuid::try_parse(id).is_ok() => Some(id.to_ascii_lowercase()),
        known => known.app_id().map(str::to_owned),
    }
}

fn resource_name(app_id: &str, otherwise: &str) -> String {
    Audience::of_app_id(app_id).map_or_else(|| otherwise.to_owned(), |known| known.name().to_owned())
}

fn scope(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = !text.is_empty()
        && text.len() <= 128
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    fits.then(|| text.to_owned())
}

/// A key as it is shown: cut, and of one line.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "customers", message)
        .with_hint("write display_name, and under [grants] one line per resource: graph = [\"User.Read.All\"]")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::partner_center::standing_grants::StandingGrant;

    const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
    const ARM: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
    const OTHER: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";

    const FILE: &str = r#"
display_name = "Test Panel"
[grants]
graph = ["User.Read.All", "directory.read.all", "User.Read.All", "offline_access"]
"C5393580-F805-4401-95E8-94B7A6EF2FC2" = ["ActivityFeed.Read"]
"#;

    fn standing(grants: &[(&str, &[&str])]) -> Standing {
        let grants = grants.iter().map(|(app_id, scopes)| StandingGrant {
            app_id: (*app_id).to_owned(),
            name: "Some API".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        });
        Standing::new(grants.collect(), [GRAPH, ARM].map(str::to_owned).to_vec())
    }

    #[test]
    fn a_file_is_read_in_either_form() {
        let desired = DesiredGrants::parse(FILE).unwrap();
        assert_eq!(desired.display_name(), "Test Panel");
        assert_eq!((desired.grants()[0].name(), desired.grants()[0].app_id()), ("graph", GRAPH));
        assert_eq!(desired.grants()[0].scopes(), ["directory.read.all", "User.Read.All"]);
        assert_eq!((desired.grants()[1].name(), desired.grants()[1].app_id()), (OTHER.to_uppercase().as_str(), OTHER));
        let json = json!({ "display_name": "Test Panel", "grants": {
            OTHER: ["ActivityFeed.Read"], "https://graph.microsoft.com": ["Directory.Read.All", "user.read.all"],
        } });
        assert_eq!(DesiredGrants::parse(&json.to_string()).unwrap().canonical(), desired.canonical());
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_what_is_wrong_with_it() {
        for (text, message) in [
            ("", "display_name must be the app's name, 1 to 120 characters"),
            ("display_name = \"x\"", "grants must be a table from resource to a list of scopes"),
            ("display_name = \"x\"\n[grants]", "grants must be a table from resource to a list of scopes"),
            ("display_name = \"x\"\n[grants]\ngraph = [", "the grants file is not valid TOML at line 3"),
            ("{\n\"display_name\": 3,", "the grants file is not valid JSON at line 2"),
            ("{\"grants\": {\"graph\": [\"x\"]}}", "display_name must be the app's name, 1 to 120 characters"),
            ("display_name = \"x\"\nscope = 3", "unknown key: scope"),
            (
                "display_name = \"x\"\n[grants]\ngrph = [\"x\"]",
                "grants has a resource that is neither an audience nor an app id: grph",
            ),
            (
                "display_name = \"x\"\n[grants]\n\"https://contoso.example\" = [\"x\"]",
                "grants has a resource that is neither an audience nor an app id: https://contoso.example",
            ),
            (
                "display_name = \"x\"\n[grants]\ngraph = \"User.Read\"",
                "grants.graph must be a list of delegated scopes by name",
            ),
            ("display_name = \"x\"\n[grants]\ngraph = []", "grants.graph must be a list of delegated scopes by name"),
            ("display_name = \"x\"\n[grants]\ngraph = [7]", "grants.graph must be a list of delegated scopes by name"),
            (
                "display_name = \"x\"\n[grants]\ngraph = [\".default\"]",
                "grants.graph must be a list of delegated scopes by name",
            ),
            (
                "display_name = \"x\"\n[grants]\ngraph = [\"a, b\"]",
                "grants.graph must be a list of delegated scopes by name",
            ),
            (
                "display_name = \"x\"\n[grants]\ngraph = [\"openid\"]",
                "grants.graph must name a scope beside those of sign-in",
            ),
            (
                "display_name = \"x\"\n[grants]\ngraph = [\"x\"]\n\"00000003-0000-0000-C000-000000000000\" = [\"y\"]",
                "grants names a resource twice: graph",
            ),
        ] {
            let error = DesiredGrants::parse(text).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::ConfigInvalid, message), "{text}");
        }
        assert!(DesiredGrants::parse(&"#".repeat(LARGEST + 1)).is_err());
    }

    #[test]
    fn missing_and_extra_are_told_for_each_resource() {
        let desired = DesiredGrants::parse(FILE).unwrap();
        let rows = desired
            .compare(&standing(&[(GRAPH, &["User.Read.All", "Mail.Read", "openid"]), (ARM, &["user_impersonation"])]));
        assert_eq!(rows[0].missing, ["directory.read.all"]);
        assert_eq!(rows[0].extra, ["Mail.Read"]);
        assert!(rows[0].needs_withdrawal() && rows[0].is_known);
        assert_eq!(
            (rows[1].missing.as_slice(), rows[1].is_known, rows[1].needs_withdrawal()),
            (["ActivityFeed.Read".to_owned()].as_slice(), false, false)
        );
        assert_eq!(
            (rows[2].name.as_str(), rows[2].extra.as_slice()),
            ("arm", ["user_impersonation".to_owned()].as_slice())
        );
        assert!(rows[2].needs_withdrawal());
    }

    #[test]
    fn what_is_as_wanted_has_no_difference() {
        let desired = DesiredGrants::parse(FILE).unwrap();
        let rows = desired.compare(&standing(&[
            (GRAPH, &["Directory.Read.All", "user.read.all", "profile"]),
            (OTHER, &["ActivityFeed.Read"]),
            (ARM, &["offline_access"]),
        ]));
        assert!(rows.iter().all(Difference::is_none), "{rows:?}");
        assert_eq!(rows.len(), 2, "a resource with sign-in's scopes only is nobody's business");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*", prefix in "(\\{|display_name = \"x\"\n\\[grants\\]\ngraph = \\[)?") {
            if let Err(error) = DesiredGrants::parse(&format!("{prefix}{text}")) {
                prop_assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
                let is_plain = !error.message().contains(char::is_control);
                prop_assert!(is_plain);
            }
        }
    }
}
