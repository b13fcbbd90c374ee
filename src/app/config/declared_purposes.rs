//! The tables `[purposes.NAME]` of a configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::document::{Document, invalid};
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::cloud::Authority;
use crate::error::Result;
use crate::ids::TenantRef;
use crate::purpose::{self, Limits, Purposes};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    audiences: Option<Vec<String>>,
    customers: Option<Vec<String>>,
    own_tenant: Option<bool>,
    expires_on: Option<String>,
}

const EXPECTED: &str = "tables by name, each with any of audiences, customers (lists), own_tenant (true or false) and expires_on (a date or a time)";

impl Document {
    /// The declared purposes. `default`: what a call means that names none, and the key or variable that says so.
    pub(super) fn purposes(&self, default: Option<&(String, String)>, authority: &Authority) -> Result<Purposes> {
        let tables = match self.values.get("purposes") {
            None | Some(Value::Null) => return Purposes::new(BTreeMap::new(), None),
            Some(Value::Object(tables)) => tables,
            Some(_) => return Err(invalid("purposes", EXPECTED)),
        };
        let declared = tables
            .iter()
            .map(|(name, table)| {
                let wrong = |expected: &str| invalid(&format!("purposes.{name}"), expected);
                purpose::check_name(name)
                    .map_err(|_| invalid("purposes", "tables by names of up to 128 printable characters"))?;
                let table: Table = serde_json::from_value(table.clone()).map_err(|_| invalid("purposes", EXPECTED))?;
                let limits = Limits {
                    audiences: listed::<Audience>(table.audiences)
                        .map_err(|()| wrong("a table whose audiences are known"))?
                        .map(|named| named.iter().map(|one| one.at(authority).map(Cow::into_owned)).collect())
                        .transpose()?,
                    customers: listed::<TenantRef>(table.customers)
                        .map_err(|()| wrong("a table whose customers are ids or domains"))?,
                    own_tenant: table.own_tenant.unwrap_or(true),
                    expires_on: table
                        .expires_on
                        .map(|text| {
                            moment(&text).ok_or_else(|| wrong("a table whose expires_on is a date such as 2027-01-31"))
                        })
                        .transpose()?,
                };
                Ok((name.clone(), limits))
            })
            .collect::<Result<BTreeMap<_, _>>>()?;
        Purposes::new(declared, default.map(|(_, name)| name.as_str())).map_err(|_| {
            let key = default.map_or("purpose", |(key, _)| key.as_str());
            invalid(key, "the name of a declared purpose")
        })
    }
}

fn listed<T: std::str::FromStr>(names: Option<Vec<String>>) -> std::result::Result<Option<Vec<T>>, ()> {
    names.map(|names| names.iter().map(|name| name.parse().map_err(|_| ())).collect()).transpose()
}

/// A day, taken as its beginning in UTC, or a time (RFC 3339).
fn moment(text: &str) -> Option<UnixTime> {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Some(UnixTime(OffsetDateTime::parse(&full, &Rfc3339).ok()?.unix_timestamp()))
}
