//! Scopes as azure clients ask for them, as the one audience that a token can be for.

use partnersam::error::Result;
use partnersam::{Audience, Authority};

use crate::error::invalid;

/// One scope or audience is itself. Several scopes of one resource are that resource: its token carries every scope that was consented to.
pub(crate) fn audience<'a>(scopes: impl IntoIterator<Item = &'a str>, authority: &Authority) -> Result<Audience> {
    let mut scopes = scopes.into_iter();
    let Some(first) = scopes.next() else {
        return Err(invalid("get_token needs a scope")
            .with_hint("for example get_token(\"https://graph.microsoft.com/.default\")"));
    };
    let one = |text: &str| -> Result<Audience> { Ok(text.parse::<Audience>()?.at(authority)?.into_owned()) };
    let mut audience = one(first)?;
    for scope in scopes {
        let next = one(scope)?;
        if next != audience {
            let resource = one(resource(&audience))?;
            if one(self::resource(&next))? != resource {
                return Err(invalid("the scopes belong to different services, and a token is for one")
                    .with_hint("ask for a token for each service"));
            }
            audience = resource;
        }
    }
    Ok(audience)
}

/// The resource that a scope belongs to: what stands before its last slash.
fn resource(audience: &Audience) -> &str {
    match audience {
        Audience::Scope(scope) => scope.rsplit_once('/').map_or(scope.as_str(), |(resource, _)| resource),
        resource => resource.name(),
    }
}
