//! Scopes as azure clients ask for them, as the one audience that a token can be for.

use partnersam::Audience;
use partnersam::error::Result;

use crate::error::invalid;

/// One scope or audience is itself. Several scopes of one resource are that resource: its token carries every scope that was consented to.
pub(crate) fn audience<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Audience> {
    let mut scopes = scopes.into_iter();
    let Some(first) = scopes.next() else {
        return Err(invalid("get_token needs a scope")
            .with_hint("for example get_token(\"https://graph.microsoft.com/.default\")"));
    };
    let mut audience: Audience = first.parse()?;
    for scope in scopes {
        let next: Audience = scope.parse()?;
        if next != audience {
            let resource = resource(&audience)?;
            if self::resource(&next)? != resource {
                return Err(invalid("the scopes belong to different services, and a token is for one")
                    .with_hint("ask for a token for each service"));
            }
            audience = resource;
        }
    }
    Ok(audience)
}

/// The resource that a scope belongs to: what stands before its last slash.
fn resource(audience: &Audience) -> Result<Audience> {
    match audience {
        Audience::Scope(scope) => scope.rsplit_once('/').map_or(scope.as_str(), |(resource, _)| resource).parse(),
        resource => Ok(resource.clone()),
    }
}
