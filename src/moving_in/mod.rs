//! Moving in: what other tools keep a refresh token in, recognised from bytes and a file's name. One file per form; pure.
//!
//! Says which app and tenant a form names, where the token is (in it, or in a Key Vault), and what may be deleted once the grant has proved itself. Fields
//! are told of by their names; values are shown nowhere. A password in a form is told of and never taken.

mod bare_token;
mod clixml;
mod field_set;
mod json;
mod lines;
mod names;
mod source;
mod source_text;
mod table;
#[cfg(feature = "keyvault")]
mod vault_names;
mod xml;

use std::fmt;

use zeroize::Zeroizing;

use self::field_set::Field;
use self::source_text::SourceText;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::secret::{ClientSecret, RefreshToken};

pub use source::Source;
#[cfg(feature = "keyvault")]
pub(crate) use vault_names::{APP_ID, SECRETS_BESIDE, TENANT, candidates, has_fields_beside};

/// The largest source that is read, in bytes: the settings files of the tools have a few kilobytes.
pub const LARGEST: usize = 1 << 20;

/// How a source is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The refresh token and nothing else.
    BareToken,
    /// A name and a value a line: environment files, Java's `application.properties`, TOML, a script's variables, what `Format-List` prints.
    Lines,
    /// A line of names above a line of values, as spreadsheets export them.
    Table,
    /// JSON: `appsettings.json`, or what `ConvertTo-Json` wrote.
    Json,
    /// `App.config` and `Web.config` of the .NET samples, `web.xml` of the Java ones.
    Xml,
    /// What `Export-Clixml` wrote.
    CliXml,
}

impl Form {
    /// What it is called, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::BareToken => "a refresh token alone",
            Self::Lines => "fields, one a line",
            Self::Table => "a table of fields",
            Self::Json => "fields in JSON",
            Self::Xml => "settings in XML",
            Self::CliXml => "an object saved by Export-Clixml",
        }
    }
}

/// A value, and the field that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The field's name as it is written.
    pub field: String,
    /// Its value.
    pub value: T,
}

/// Where the token of a form is.
pub enum Holder {
    /// In the form itself; the field is none where the token stands alone.
    Here {
        /// The field's name as it is written.
        field: Option<String>,
        /// The token.
        token: RefreshToken,
    },
    /// In a Key Vault that the form names.
    Vault(VaultHolder),
    /// Nowhere any more: the field, or the whole source, is empty.
    Nowhere {
        /// The field's name as it is written.
        field: Option<String>,
    },
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here { field, .. } => write!(f, "Here({field:?})"),
            Self::Vault(vault) => write!(f, "Vault({})", vault.address),
            Self::Nowhere { field } => write!(f, "Nowhere({field:?})"),
        }
    }
}

/// A Key Vault as a form describes it.
#[derive(Debug)]
pub struct VaultHolder {
    /// The vault's name or address, or a secret's identifier. Checked by who opens it.
    pub address: String,
    /// The secret that holds the token, where the form says so.
    pub secret: Option<String>,
    /// The app that the form's tool opens the vault as.
    pub client_id: Option<ClientId>,
    /// That app's secret.
    pub client_secret: Option<ClientSecret>,
    /// The tenant of the vault.
    pub tenant: Option<TenantRef>,
}

/// What a source turned out to be.
#[derive(Debug)]
pub struct Found {
    /// How it is written.
    pub form: Form,
    /// The app that the token was given to, where the form says so.
    pub app: Option<Named<ClientId>>,
    /// The partner's tenant, by every name that the form has for it.
    pub tenants: Vec<Named<TenantRef>>,
    /// Where the token is.
    pub holder: Holder,
    /// Fields with other secrets: of the app, of the vault's app, access tokens.
    pub secrets: Vec<String>,
    /// Fields with refresh tokens of other apps, which cannot be moved in.
    pub foreign: Vec<String>,
    /// Fields with passwords. They were not taken.
    pub passwords: Vec<String>,
    /// Where the token stands, in bytes of the source.
    cut: Vec<std::ops::Range<usize>>,
}

impl Found {
    /// Whether the source is the token and nothing else.
    pub fn is_alone(&self) -> bool {
        self.form == Form::BareToken
    }

    /// `bytes`, which it was found in, without the token; every other byte is as it was.
    pub fn blanked(&self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut left = Zeroizing::new(Vec::with_capacity(bytes.len()));
        let mut from = 0;
        for cut in &self.cut {
            left.extend_from_slice(bytes.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        left.extend_from_slice(bytes.get(from..).unwrap_or_default());
        left
    }

    /// Where the token stands, in bytes of the source, in order.
    pub fn cut(&self) -> &[std::ops::Range<usize>] {
        &self.cut
    }

    /// Refuses a token that was given to another app than `ours`: it is of no use here.
    ///
    /// Errors: `GrantOfAnotherApp`.
    pub fn check_app(&self, ours: &ClientId) -> Result<()> {
        match &self.app {
            Some(app) if !app.value.as_str().eq_ignore_ascii_case(ours.as_str()) => {
                Err(another_app(&app.value, ours).with_context("field", &app.field))
            }
            _ => Ok(()),
        }
    }
}

/// The refusal of a token that was given to the app `theirs`.
pub fn another_app(theirs: &ClientId, ours: &ClientId) -> Error {
    Error::new(
        ErrorKind::GrantOfAnotherApp,
        "import",
        "the refresh token was given to another app than the configured one, so it was not sent",
    )
    .with_hint(format!(
        "a refresh token works only with the app that got it: run `partnersam init --client-id {theirs}` with that app's credential and import \
         again, or let the partner consent to this app"
    ))
    .with_context("app", theirs)
    .with_context("configured", ours)
}

/// Recognises what `bytes` are; `name` is the file's, where there is one.
///
/// Errors: `InvalidArgument` where no form fits, several tokens or contradictory fields stand in it, or the token is sealed for a Windows account.
pub fn recognise(bytes: &[u8], name: Option<&str>) -> Result<Found> {
    if bytes.len() > LARGEST {
        return Err(unknown("it is larger than any settings file"));
    }
    // What an overwritten file looks like when its removal was cut short.
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(bare_token::nothing());
    }
    let text = SourceText::decode(bytes).ok_or_else(|| unknown("it is not text"))?;
    let fields = |form, fields: Vec<Field>| field_set::found(form, fields, &text);
    let is_xml_name = name.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        [".config", ".xml", ".clixml"].iter().any(|end| name.ends_with(end))
    });
    match text.text().trim_start().chars().next() {
        None => Ok(bare_token::nothing()),
        Some('{' | '[') if !lines::begins_with_section(text.text()) => fields(Form::Json, json::fields(text.text())?),
        Some('<') => {
            let (form, read) = xml::fields(text.text())?;
            fields(form, read)
        }
        Some(_) if is_xml_name => Err(unknown("it is not XML, which its name says")),
        Some(_) => match bare_token::found(&text)? {
            Some(found) => Ok(found),
            None => match table::fields(text.text())? {
                Some(read) => fields(Form::Table, read),
                None => fields(Form::Lines, lines::fields(text.text())),
            },
        },
    }
}

/// A refresh token as it was found: anything else in its place would only be sent to the service for nothing.
pub(crate) fn token(text: &str, field: Option<&str>) -> Result<RefreshToken> {
    let refused = |what: &str, hint: &str| {
        let error = Error::new(ErrorKind::InvalidArgument, "import", what.to_owned()).with_hint(hint.to_owned());
        Err(field.map_or(error.clone(), |field| error.with_context("field", field)))
    };
    if text.starts_with("partnersam-key-1:") {
        return refused(
            "this is the key of a store and no refresh token, so it was not sent",
            "name the file with the token",
        );
    }
    if text.starts_with("psam1.") {
        return refused(
            "this is a grant that partnersam has sealed and no refresh token, so it was not sent",
            "open it as what it is: set `store` in the configuration file to the vault",
        );
    }
    if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()) {
        return refused(
            "there is no refresh token where one should be: it is one word of printable ASCII",
            "give the token alone, or a form that `partnersam import --help` names",
        );
    }
    Ok(RefreshToken::new(text))
}

fn unknown(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "import", format!("no form that import knows: {why}"))
        .with_hint("give the token alone, or a form that `partnersam import --help` names")
}

#[cfg(test)]
mod tests;
