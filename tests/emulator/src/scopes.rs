//! The `scope` and `resource` parameters: which resources, which permissions, which sign-in scopes.

use crate::{
    cloud::Cloud,
    resources::{self, Resource},
};

/// One resource of a request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) resource: &'static Resource,
    /// The identifier exactly as requested: it becomes `aud`, trailing slash and all.
    pub(crate) audience: String,
    /// Permissions by name; empty means all that were consented to (`/.default`, or v1 `resource`).
    pub(crate) permissions: Vec<String>,
}

/// A parsed `scope`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes {
    pub(crate) openid: bool,
    pub(crate) profile: bool,
    pub(crate) offline_access: bool,
    pub(crate) asked: Vec<Asked>,
    /// The resource scopes as they were written, to be echoed in the reply.
    pub(crate) written: Vec<String>,
}

/// Why a `scope` or `resource` is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// AADSTS70011.
    Scope(String),
    /// AADSTS500011.
    Resource(String),
}

/// More scopes than anyone sends.
const MOST: usize = 200;

impl Scopes {
    /// Parses a v2 `scope`. The part before `/.default` is the resource, so a resource that ends in a slash needs two
    /// (`https://management.core.windows.net//.default`).
    pub(crate) fn parse(text: &str, cloud: Cloud) -> Result<Self, Refusal> {
        let mut scopes = Self::default();
        for (count, scope) in text.split_whitespace().enumerate() {
            if count >= MOST {
                return Err(Refusal::Scope("too many scopes".to_owned()));
            }
            match scope {
                "openid" => scopes.openid = true,
                "profile" | "email" | "address" | "phone" => scopes.profile = true,
                "offline_access" => scopes.offline_access = true,
                other => {
                    scopes.add(other, cloud)?;
                    scopes.written.push(other.to_owned());
                }
            }
        }
        Ok(scopes)
    }

    fn add(&mut self, scope: &str, cloud: Cloud) -> Result<(), Refusal> {
        let (audience, permission) = match scope.rsplit_once('/') {
            Some((audience, permission)) => (audience, permission),
            // A bare name is Graph's.
            None => (resources::graph().map(|graph| graph.name_in(cloud)).unwrap_or_default(), scope),
        };
        if audience.is_empty() || permission.is_empty() || (permission == ".default" && !scope.contains('/')) {
            return Err(Refusal::Scope(scope.to_owned()));
        }
        let Some(resource) = resources::find(audience, cloud) else {
            let is_identifier = audience.contains("://") || uuid::Uuid::try_parse(audience).is_ok();
            return Err(if is_identifier {
                Refusal::Resource(audience.to_owned())
            } else {
                Refusal::Scope(scope.to_owned())
            });
        };
        let permission = match permission {
            ".default" => None,
            name => Some(resource.permission(name).ok_or_else(|| Refusal::Scope(scope.to_owned()))?),
        };
        // `/.default` stands alone (Microsoft, "Scopes and permissions": static and dynamic consent do not mix, and of the static
        // kind there may be one).
        let is_alone = |asked: &Asked| match (asked.permissions.is_empty(), permission.is_none()) {
            (false, false) => true,
            (true, true) => asked.audience == audience,
            _ => false,
        };
        if !self.asked.iter().all(is_alone) {
            return Err(Refusal::Scope(scope.to_owned()));
        }
        match (self.asked.iter_mut().find(|asked| std::ptr::eq(asked.resource, resource)), permission) {
            (None, permission) => self.asked.push(Asked {
                resource,
                audience: audience.to_owned(),
                permissions: permission.into_iter().collect(),
            }),
            (Some(asked), Some(name)) => asked.permissions.push(name),
            (Some(_), None) => {}
        }
        Ok(())
    }
}

impl Asked {
    /// All of a resource.
    pub(crate) fn whole(resource: &'static Resource) -> Self {
        Self { resource, audience: resource.app_id.to_owned(), permissions: Vec::new() }
    }

    /// A v1 `resource`.
    pub(crate) fn resource(audience: &str, cloud: Cloud) -> Result<Self, Refusal> {
        resources::find(audience, cloud)
            .map(|resource| Self { resource, audience: audience.to_owned(), permissions: Vec::new() })
            .ok_or_else(|| Refusal::Resource(audience.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn a_resource_with_a_trailing_slash_needs_two() {
        let aud = |scope: &str| Scopes::parse(scope, Cloud::Public).unwrap().asked[0].audience.clone();
        assert_eq!(aud("https://management.core.windows.net//.default"), "https://management.core.windows.net/");
        assert_eq!(aud("https://management.core.windows.net/.default"), "https://management.core.windows.net");
    }

    #[test]
    fn several_permissions_go_together_and_default_stands_alone() {
        let scopes = Scopes::parse("openid User.Read https://graph.microsoft.com/Mail.Read", Cloud::Public).unwrap();
        assert_eq!(scopes.asked.len(), 1);
        assert_eq!(scopes.asked[0].permissions, ["User.Read", "Mail.Read"]);
        let center = "https://api.partnercenter.microsoft.com";
        assert_eq!(
            Scopes::parse(&format!("User.Read {center}/user_impersonation"), Cloud::Public).unwrap().asked.len(),
            2
        );
        for mixed in [
            "User.Read https://graph.microsoft.com/.default",
            "https://graph.microsoft.com/.default User.Read",
            &format!("User.Read {center}/.default"),
            &format!("{center}/.default User.Read"),
            &format!("{center}/.default https://graph.microsoft.com/.default"),
            "https://management.core.windows.net/.default https://management.core.windows.net//.default",
        ] {
            assert!(matches!(Scopes::parse(mixed, Cloud::Public), Err(Refusal::Scope(_))), "{mixed}");
        }
        assert!(Scopes::parse(&format!("openid {center}/.default {center}/.default"), Cloud::Public).is_ok());
    }

    #[test]
    fn a_resource_of_another_cloud_is_unknown() {
        let parse = |scope: &str| Scopes::parse(scope, Cloud::UsGovernment);
        assert_eq!(parse("User.Read").unwrap().asked[0].audience, "https://graph.microsoft.us");
        assert!(parse("https://dod-graph.microsoft.us/.default").is_ok());
        assert!(parse("https://api.partnercenter.microsoft.com/.default").is_ok());
        assert!(matches!(parse("https://graph.microsoft.com/.default"), Err(Refusal::Resource(_))));
    }

    #[test]
    fn unknown_resources_and_bad_scopes_differ() {
        assert!(matches!(Scopes::parse("https://unknown.example/.default", Cloud::Public), Err(Refusal::Resource(_))));
        for scope in [
            ".default",
            "no_such",
            "https://api.partnercenter.microsoft.com/nothing",
            "/",
            "https://graph.microsoft.com",
        ] {
            assert!(matches!(Scopes::parse(scope, Cloud::Public), Err(Refusal::Scope(_))), "{scope}");
        }
    }
}
