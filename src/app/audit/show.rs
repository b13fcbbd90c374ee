//! What people want to see of the audit record, and the documents that all faces share of it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::audit::read::Filter;
use crate::audit::verify::Report;
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantRef;

/// Which lines are wanted. What is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// From then on: a time in UTC such as `2026-11-22T08:00:00Z`, or the beginning of one.
    pub since: Option<String>,
    /// Before then.
    pub until: Option<String>,
    /// With this partner's grant.
    pub partner: Option<TenantRef>,
    /// In this customer's tenant.
    pub customer: Option<TenantRef>,
    /// For this purpose.
    pub purpose: Option<String>,
    /// Of this service.
    pub audience: Option<String>,
    /// `token`, `renew`, `consent-begin`, `consent`, `import`, `revoke`, `customers`, `incident`, `audit`.
    pub operation: Option<String>,
    /// `begun`, `ok`, `refused`, `failed`.
    pub outcome: Option<String>,
}

/// The lines that were found, oldest first.
#[derive(Debug, Serialize)]
pub struct AuditLines {
    schema_version: u32,
    /// Lines that are no lines of a record: `verify` says more.
    unreadable: u64,
    lines: Vec<Map<String, Value>>,
}

/// What a check of the record found.
#[derive(Debug, Serialize)]
pub struct VerifyReport<'a> {
    schema_version: u32,
    whole: bool,
    folder: String,
    anchor: Option<String>,
    #[serde(flatten)]
    report: &'a Report,
}

impl App {
    /// What [`App::audit_lines`] takes, of what people name.
    ///
    /// Errors: `InvalidArgument` for what is no time; those of the look-up of a domain.
    pub async fn audit_filter(&self, query: &AuditQuery) -> Result<Filter> {
        let mut filter = Filter { since: moment(&query.since)?, until: moment(&query.until)?, fields: Vec::new() };
        for (name, named) in [("partner", &query.partner), ("customer", &query.customer)] {
            if let Some(named) = named {
                filter.fields.push((name, self.tenant(named).await?.to_string()));
            }
        }
        for (name, value) in [
            ("purpose", &query.purpose),
            ("audiences", &query.audience),
            ("operation", &query.operation),
            ("outcome", &query.outcome),
        ] {
            filter.fields.extend(value.clone().map(|value| (name, value)));
        }
        Ok(filter)
    }

    /// The lines that are wanted, all at once; [`App::audit_lines`] hands out one after the other.
    ///
    /// Errors: as there, and as for [`App::audit_filter`].
    pub async fn audit_show(&self, query: &AuditQuery) -> Result<AuditLines> {
        let filter = self.audit_filter(query).await.map_err(|error| error.in_operation("audit"))?;
        let mut lines = Vec::new();
        let each = |_: &str, fields: &Map<String, Value>| {
            lines.push(fields.clone());
            Ok(())
        };
        let unreadable = self.audit_lines(&filter, each).await?;
        Ok(AuditLines { schema_version: 1, unreadable, lines })
    }

    /// The document of a check of this app's record.
    pub fn audit_report<'a>(&self, report: &'a Report) -> VerifyReport<'a> {
        VerifyReport {
            schema_version: 1,
            whole: report.faults.is_empty(),
            folder: self.audit_folder().map(|folder| folder.display().to_string()).unwrap_or_default(),
            anchor: report.anchor.as_ref().map(ToString::to_string),
            report,
        }
    }
}

/// A time, or the beginning of one: as texts in one zone they are in order.
fn moment(text: &Option<String>) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let shape = UnixTime(0).to_string();
    let is_like = |(b, like): (u8, u8)| if like.is_ascii_digit() { b.is_ascii_digit() } else { b == like };
    let fits = text.len() >= 4 && text.len() <= shape.len() && text.bytes().zip(shape.bytes()).all(is_like);
    if fits {
        return Ok(Some(text.clone()));
    }
    Err(Error::new(ErrorKind::InvalidArgument, "audit", "not a time in UTC such as 2026-11-22T08:00:00Z or 2026-11-22")
        .with_context("given", text))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_its_beginning_is_taken() {
        for good in ["2026", "2026-11", "2026-11-22", "2026-11-22T08:00:00Z"] {
            assert_eq!(moment(&Some(good.to_owned())).unwrap().as_deref(), Some(good));
        }
        for bad in ["", "202", "yesterday", "2026/11", "2026-11-22T08:00:00+01:00", "2026-11-22 08:00"] {
            assert_eq!(moment(&Some(bad.to_owned())).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        assert_eq!(moment(&None).unwrap(), None);
    }
}
