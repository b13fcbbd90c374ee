//! From fields to what they say together. Tolerant of spelling, strict where two fields say different things.

use std::ops::Range;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::names::{Meaning, meaning, plain};
use super::source_text::SourceText;
use super::{Form, Found, Holder, Named, VaultHolder, token};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantRef};
use crate::secret::ClientSecret;

/// A field as a form has it.
pub(super) struct Field {
    /// As it is written.
    pub(super) name: String,
    /// Without quotes and escapes.
    pub(super) value: Zeroizing<String>,
    /// Where the value stands in the text.
    pub(super) span: Range<usize>,
    /// Encrypted for a Windows account (DPAPI), so that nobody else can read it.
    pub(super) is_sealed: bool,
}

/// The longest name that is shown, in bytes.
const LONGEST_NAME: usize = 96;

impl Field {
    pub(super) fn new(name: &str, value: &str, span: Range<usize>) -> Self {
        // A name that is longer is no name: a broken file may have a secret run into it.
        let name = if name.len() <= LONGEST_NAME { name.trim() } else { "a field with a long name" };
        Self { name: name.to_owned(), value: Zeroizing::new(value.to_owned()), span, is_sealed: false }
    }

    /// What a script says in place of a value: a variable, which is nothing to us.
    fn is_literal(&self) -> bool {
        !self.value.starts_with('$')
    }

    fn has_value(&self) -> bool {
        !self.value.is_empty() && self.is_literal()
    }
}

/// What a form says, by the meaning of its fields.
struct FieldSet(Vec<(Meaning, Field)>);

/// See [`super::recognise`].
pub(super) fn found(form: Form, fields: Vec<Field>, text: &SourceText) -> Result<Found> {
    let set = FieldSet::new(fields);
    let way = set.way()?;
    let inline = set.agreed(Meaning::RefreshToken)?;
    let address = set.agreed(Meaning::VaultAddress)?;
    let holder = match (way, inline, address) {
        (Some(Way::Vault), _, Some(vault)) | (None, None, Some(vault)) => Holder::Vault(set.vault(vault)?),
        (Some(Way::Vault), _, None) => {
            return Err(refused("the MFA method is a Key Vault, and no field says which")
                .with_hint("name the vault: `--from keyvault://NAME/secrets/SECRET`"));
        }
        (None, Some(token), Some(vault)) => {
            return Err(refused("there are both a refresh token and a Key Vault, and no field says which counts")
                .with_hint("take one of the two out, or name the vault by `--from keyvault://NAME/secrets/SECRET`")
                .with_context("field", &token.name)
                .with_context("other_field", &vault.name));
        }
        (Some(Way::Manually) | None, Some(found), _) => {
            if found.is_sealed {
                return Err(sealed(found));
            }
            Holder::Here { field: Some(found.name.clone()), token: token(&found.value, Some(&found.name))? }
        }
        (Some(Way::Manually) | None, None, _) => match set.first(Meaning::RefreshToken) {
            Some(empty) if empty.is_literal() => Holder::Nowhere { field: Some(empty.name.clone()) },
            _ if set.first(Meaning::ForeignToken).is_some_and(Field::has_value) => {
                return Err(refused("the only refresh token in it belongs to another app").with_hint(
                    "Exchange's and Azure's own apps get tokens of their own; import the one that your app got",
                ));
            }
            _ => {
                return Err(refused("there is no refresh token in it, and no Key Vault that would have one")
                    .with_hint("a refresh token stands in a field of that name (RefreshToken, refresh_token); `partnersam import --help` names the forms"));
            }
        },
    };
    let mut cut: Vec<_> = match holder {
        Holder::Here { .. } => set.all(Meaning::RefreshToken).map(|field| text.bytes_of(&field.span)).collect(),
        _ => Vec::new(),
    };
    cut.sort_by_key(|range| range.start);
    let names = |meanings: &[Meaning]| {
        let wanted = set.0.iter().filter(|(meaning, field)| meanings.contains(meaning) && !field.value.is_empty());
        wanted.map(|(_, field)| field.name.clone()).collect::<Vec<_>>()
    };
    let mut secrets =
        names(&[Meaning::AppSecret, Meaning::ClientSecret, Meaning::VaultAppSecret, Meaning::AccessToken]);
    if matches!(holder, Holder::Vault(_)) {
        secrets.extend(names(&[Meaning::RefreshToken]));
    }
    Ok(Found {
        form,
        app: set.app(Meaning::AppId)?,
        tenants: [set.tenant(Meaning::AccountId)?, set.tenant(Meaning::Domain)?].into_iter().flatten().collect(),
        secrets,
        foreign: names(&[Meaning::ForeignToken]),
        passwords: names(&[Meaning::Password]),
        holder,
        cut,
    })
}

/// How the token comes, as the MFA method says.
#[derive(Clone, Copy)]
enum Way {
    Manually,
    Vault,
}

impl FieldSet {
    /// Names that mean two things get the one that the other fields leave them.
    fn new(fields: Vec<Field>) -> Self {
        let mut set = Self(fields.into_iter().map(|field| (meaning(&field.name), field)).collect());
        let has = |set: &Self, wanted: Meaning| set.0.iter().any(|(meaning, _)| *meaning == wanted);
        let has_own_secret = has(&set, Meaning::AppSecret);
        let has_domain = has(&set, Meaning::Domain);
        let is_vault = has(&set, Meaning::VaultAppId) || matches!(set.way(), Ok(Some(Way::Vault)));
        for (meaning, _) in &mut set.0 {
            *meaning = match *meaning {
                Meaning::ClientSecret if has_own_secret && is_vault => Meaning::VaultAppSecret,
                Meaning::ClientSecret => Meaning::AppSecret,
                Meaning::PlainDomain if has_domain && is_vault => Meaning::VaultTenant,
                Meaning::PlainDomain => Meaning::Domain,
                Meaning::PlainUrl if is_vault => Meaning::VaultAddress,
                other => other,
            };
        }
        set
    }

    fn all(&self, wanted: Meaning) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(move |(meaning, _)| *meaning == wanted).map(|(_, field)| field)
    }

    fn first(&self, wanted: Meaning) -> Option<&Field> {
        self.all(wanted).next()
    }

    /// The field with that meaning, where it has a value. Several are fine as long as they say the same.
    fn agreed(&self, wanted: Meaning) -> Result<Option<&Field>> {
        let mut found: Option<&Field> = None;
        for field in self.all(wanted).filter(|field| field.has_value()) {
            match found {
                Some(first) if *first.value != *field.value => {
                    return Err(refused("two fields of the same meaning say different things")
                        .with_hint("leave the one that counts; a file with the fields of several partners is imported one partner at a time")
                        .with_context("field", &first.name)
                        .with_context("other_field", &field.name));
                }
                Some(_) => {}
                None => found = Some(field),
            }
        }
        Ok(found)
    }

    fn app(&self, wanted: Meaning) -> Result<Option<Named<ClientId>>> {
        self.parsed(wanted, ClientId::is_guid)
    }

    fn tenant(&self, wanted: Meaning) -> Result<Option<Named<TenantRef>>> {
        self.parsed(wanted, |tenant| match tenant {
            TenantRef::Id(_) => true,
            TenantRef::Domain(domain) => domain.contains('.'),
        })
    }

    /// What it holds is shown to people, and people take a secret for an id: so it must look like one.
    fn parsed<T: FromStr<Err = Error>>(&self, wanted: Meaning, fits: fn(&T) -> bool) -> Result<Option<Named<T>>> {
        let Some(field) = self.agreed(wanted)? else { return Ok(None) };
        match field.value.parse() {
            Ok(value) if fits(&value) => Ok(Some(Named { field: field.name.clone(), value })),
            // The parser's own message repeats the value.
            _ => Err(refused("a field does not hold what its name says").with_context("field", &field.name)),
        }
    }

    fn way(&self) -> Result<Option<Way>> {
        let Some(field) = self.agreed(Meaning::MfaMethod)? else { return Ok(None) };
        match plain(&field.value).as_str() {
            "manually" | "manual" => Ok(Some(Way::Manually)),
            "keyvault" | "azurekeyvault" => Ok(Some(Way::Vault)),
            _ => Err(refused("the MFA method is neither manually nor Key Vault").with_context("field", &field.name)),
        }
    }

    fn vault(&self, address: &Field) -> Result<VaultHolder> {
        Ok(VaultHolder {
            address: address.value.trim().to_owned(),
            secret: self.agreed(Meaning::VaultSecretName)?.map(|field| field.value.to_string()),
            client_id: self.app(Meaning::VaultAppId)?.map(|id| id.value),
            client_secret: self.agreed(Meaning::VaultAppSecret)?.map(|field| ClientSecret::new(field.value.as_str())),
            tenant: self.tenant(Meaning::VaultTenant)?.map(|tenant| tenant.value),
        })
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "import", message)
}

fn sealed(field: &Field) -> Error {
    Error::new(
        ErrorKind::NotSupported,
        "import",
        "the refresh token is a SecureString: only the Windows account that saved it, on its machine, can read it",
    )
    .with_actor(crate::error::Actor::HostAdministrator)
    .with_hint(
        "as that account, in PowerShell 7: `(Import-Clixml FILE).RefreshToken | ConvertFrom-SecureString -AsPlainText | partnersam import PARTNER`",
    )
    .with_context("field", &field.name)
}
