//! Why a partner's grant is used: a declared name with the audiences and customers it reaches, and the day it ends.
//!
//! Where nothing is declared, a purpose is a free text that goes into the audit record and into Partner Center's application header. Where something is, every
//! token is asked for under a declared name, and what lies outside it is refused before anything is sent.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantRef;

/// What a purpose allows. What is left out is not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The services that tokens may be for.
    pub audiences: Option<Vec<Audience>>,
    /// The customers whose tenants tokens may be for; an empty list means none.
    pub customers: Option<Vec<TenantRef>>,
    /// Whether tokens may be for the partner's own tenant.
    pub own_tenant: bool,
    /// From then on nothing is allowed.
    pub expires_on: Option<UnixTime>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { audiences: None, customers: None, own_tenant: true, expires_on: None }
    }
}

/// A purpose by its name. Two of one name are equal: within one app a name stands for one purpose.
#[derive(Debug)]
pub struct Purpose {
    name: String,
    limits: Limits,
}

impl PartialEq for Purpose {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Purpose {}

impl Hash for Purpose {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether a customer is among a purpose's, as far as the names tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// One is named by id and the other by domain: the ids must be compared.
    CompareIds,
}

impl Purpose {
    /// The name, as it stands in the configuration, the audit record and Partner Center's header.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it allows.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether it still holds at `now`, and for these audiences.
    ///
    /// Errors: `PurposeExpired`, `PurposeForbidden`.
    pub fn check<'a>(&self, audiences: impl IntoIterator<Item = &'a Audience>, now: UnixTime) -> Result<()> {
        if let Some(end) = self.limits.expires_on.filter(|end| *end <= now) {
            return Err(self.error(ErrorKind::PurposeExpired, "the purpose has ended").with_context("ended", end));
        }
        let Some(allowed) = &self.limits.audiences else { return Ok(()) };
        match audiences.into_iter().find(|audience| !allowed.contains(audience)) {
            None => Ok(()),
            Some(audience) => Err(self.forbids().with_context("audience", audience)),
        }
    }

    /// Whether tokens may be for the partner's own tenant.
    ///
    /// Errors: `PurposeForbidden`.
    pub fn check_own_tenant(&self) -> Result<()> {
        if self.limits.own_tenant { Ok(()) } else { Err(self.forbids().with_context("tenant", "the partner's own")) }
    }

    /// Whether `customer` is among its customers, as far as the names tell. A customer is named as the configuration names it, or by id.
    pub fn reaches(&self, customer: &TenantRef) -> Reach {
        let Some(allowed) = &self.limits.customers else { return Reach::Yes };
        let is_id = |name: &TenantRef| matches!(name, TenantRef::Id(_));
        if allowed.contains(customer) {
            Reach::Yes
        } else if allowed.iter().any(|name| is_id(name) != is_id(customer)) {
            Reach::CompareIds
        } else {
            Reach::No
        }
    }

    /// What refuses something that lies outside of it.
    pub fn forbids(&self) -> Error {
        self.error(ErrorKind::PurposeForbidden, "the purpose does not allow that")
    }

    fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, "token", format!("{message}: {}", self.name)).with_context("purpose", &self.name)
    }
}

/// The purposes of an app: the declared ones, and the one that is meant where a call names none.
#[derive(Clone, Debug, Default)]
pub struct Purposes {
    declared: HashMap<String, Arc<Purpose>>,
    default: Option<Arc<Purpose>>,
}

impl Purposes {
    /// The declared ones by their names. `default`: what a call means that names none; it must be declared where anything is.
    ///
    /// Errors: `PurposeUnknown`.
    pub fn new(declared: BTreeMap<String, Limits>, default: Option<&str>) -> Result<Self> {
        let declared: HashMap<_, _> =
            declared.into_iter().map(|(name, limits)| (name.clone(), Arc::new(Purpose { name, limits }))).collect();
        let mut purposes = Self { declared, default: None };
        if let Some(name) = default.filter(|_| !purposes.declared.is_empty()) {
            purposes.default = purposes.named(Some(name))?;
        }
        Ok(purposes)
    }

    /// Whether none is declared, so that a purpose is a free text.
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    /// The declared ones, by name.
    pub fn all(&self) -> Vec<&Purpose> {
        let mut all: Vec<&Purpose> = self.declared.values().map(Arc::as_ref).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The purpose that a call means. None: nothing is declared and the call names none, so it is the configuration's free text. One look-up.
    ///
    /// Errors: `PurposeRequired`, `PurposeUnknown`; `InvalidArgument` for a name that cannot be one.
    pub fn named(&self, name: Option<&str>) -> Result<Option<Arc<Purpose>>> {
        match (name, self.declared.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => self.default.clone().map(Some).ok_or_else(|| {
                Error::new(ErrorKind::PurposeRequired, "token", "purposes are declared and none was named")
                    .with_context("purposes", self.names())
            }),
            (Some(name), true) => {
                check_name(name)?;
                Ok(Some(Arc::new(Purpose { name: name.to_owned(), limits: Limits::default() })))
            }
            (Some(name), false) => match self.declared.get(name) {
                Some(purpose) => Ok(Some(purpose.clone())),
                None => {
                    check_name(name)?;
                    Err(Error::new(ErrorKind::PurposeUnknown, "token", format!("no such purpose is declared: {name}"))
                        .with_context("purposes", self.names()))
                }
            },
        }
    }

    fn names(&self) -> String {
        self.all().into_iter().map(Purpose::name).collect::<Vec<_>>().join(", ")
    }
}

/// A purpose's name stands in headers, in lines and on terminals: printable ASCII without quotes, of 128 characters at most.
///
/// Errors: `InvalidArgument`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = (1..=128).contains(&name.len())
        && name.trim() == name
        && name.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\');
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "parse", "a purpose is a name of up to 128 printable ASCII characters")
        .with_hint("name the purpose as the configuration does"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const CONTOSO: &str = "cccccccc-0000-4000-8000-000000000001";

    fn purposes() -> Purposes {
        let report = Limits {
            audiences: Some(vec![Audience::Graph]),
            customers: Some(vec!["contoso.com".parse().unwrap(), CONTOSO.parse().unwrap()]),
            own_tenant: false,
            expires_on: Some(UnixTime(100)),
        };
        let declared = [("report".to_owned(), report), ("all".to_owned(), Limits::default())];
        Purposes::new(declared.into(), Some("all")).unwrap()
    }

    #[test]
    fn a_name_is_the_declared_one_the_default_or_refused() {
        let purposes = purposes();
        assert_eq!(purposes.named(Some("report")).unwrap().unwrap().name(), "report");
        assert_eq!(purposes.named(None).unwrap().unwrap().name(), "all");
        let unknown = purposes.named(Some("Report")).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::PurposeUnknown);
        assert_eq!(unknown.context(), [("purposes", "all, report".to_owned())]);
        let without_default = Purposes::new([("a".to_owned(), Limits::default())].into(), None).unwrap();
        assert_eq!(without_default.named(None).unwrap_err().kind(), ErrorKind::PurposeRequired);
        let wrong = Purposes::new([("a".to_owned(), Limits::default())].into(), Some("b")).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::PurposeUnknown);
    }

    #[test]
    fn where_none_is_declared_any_text_is_one() {
        let none = Purposes::new(BTreeMap::new(), Some("default")).unwrap();
        assert!(none.is_empty() && none.named(None).unwrap().is_none());
        let free = none.named(Some("nightly licence report")).unwrap().unwrap();
        assert!(free.check([&Audience::Graph], UnixTime(i64::MAX)).is_ok());
        assert_eq!(free.reaches(&"contoso.com".parse().unwrap()), Reach::Yes);
        for bad in ["", " x", "a\nb", "a\"b", "\u{1b}[31m", &"x".repeat(129)] {
            assert_eq!(none.named(Some(bad)).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let purposes = purposes();
        let report = purposes.named(Some("report")).unwrap().unwrap();
        assert!(report.check([&Audience::Graph], UnixTime(99)).is_ok());
        let ended = report.check([&Audience::Graph], UnixTime(100)).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::PurposeExpired);
        let outside = report.check([&Audience::Graph, &Audience::Arm], UnixTime(99)).unwrap_err();
        assert_eq!(outside.kind(), ErrorKind::PurposeForbidden);
        assert_eq!(outside.context(), [("purpose", "report".to_owned()), ("audience", "arm".to_owned())]);
        assert_eq!(report.check_own_tenant().unwrap_err().kind(), ErrorKind::PurposeForbidden);
    }

    #[test]
    fn a_customer_is_compared_by_name_and_else_by_id() {
        let purposes = purposes();
        let report = purposes.named(Some("report")).unwrap().unwrap();
        assert_eq!(report.reaches(&"Contoso.com".parse().unwrap()), Reach::Yes);
        assert_eq!(report.reaches(&CONTOSO.parse().unwrap()), Reach::Yes);
        assert_eq!(report.reaches(&"contoso.onmicrosoft.com".parse().unwrap()), Reach::CompareIds);
        let none = Limits { customers: Some(Vec::new()), ..Limits::default() };
        let none = Purpose { name: "none".to_owned(), limits: none };
        assert_eq!(none.reaches(&CONTOSO.parse().unwrap()), Reach::No);
    }
}
