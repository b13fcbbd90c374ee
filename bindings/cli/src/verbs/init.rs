//! `partnersam init`: a configuration file, a place for the client secret, a key for the store, and a look whether they open.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use fs_err as fs;
use partnersam::app::config::{Profile, default_config_path};
use partnersam::store::{create_key_file, create_private_file, replace_private_file};
use partnersam::{ClientId, Config, Error, ErrorKind, TenantRef};
use zeroize::Zeroizing;

use super::{End, Outcome};
use crate::arguments::tenant;
use crate::failure::Failure;
use crate::output::{self, InitReport, SCHEMA_VERSION};
use crate::session::Session;
use crate::terminal::{Style, Terminal};

const EXAMPLES: &str = "\
Examples:
  partnersam init --client-id 11111111-2222-3333-4444-555555555555 --tenant vendor.example
  partnersam init --client-id 11111111-2222-3333-4444-555555555555 --certificate-file app.pfx --certificate-passphrase-file app.pass
  partnersam init --client-id 11111111-2222-3333-4444-555555555555 --key-file ~/.config/partnersam/key --client-secret-file - < secret.txt

The configuration goes to --config, else to partnersam/config.toml in the user's configuration folder. A secret that is typed or read from \
standard input goes into a file of its own beside it, mode 0600; a file that is named stays where it is. Without a key file the store's key is \
kept in the operating system's keyring";

/// The file beside the configuration that a typed secret goes into.
const SECRET_NAME: &str = "client-secret";

/// Entra makes secrets of 40 characters; whoever types less has something else in mind.
const SHORTEST_SECRET: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Client id of the app registration
    #[arg(long, value_name = "ID")]
    client_id: Option<ClientId>,

    /// The tenant that the app is registered in: id or domain
    #[arg(long, value_name = "TENANT", value_parser = tenant)]
    tenant: Option<TenantRef>,

    /// Whose partners the app serves: cpv, a vendor's app for all its partners, or csp, a partner's app for itself
    #[arg(long, value_name = "PROFILE", value_parser = clap::builder::PossibleValuesParser::new(["cpv", "csp"]))]
    profile: Option<String>,

    /// public, us-government or china
    #[arg(long, value_name = "CLOUD", value_parser = clap::builder::PossibleValuesParser::new(["public", "us-government", "china"]))]
    cloud: Option<String>,

    /// File with the client secret, or - for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    client_secret_file: Option<PathBuf>,

    /// The app's certificate instead of a secret: PEM or PKCS#12, with its key or without; it stays where it is, and none is ever made
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["client_secret_file", "federated_token_file"])]
    certificate_file: Option<PathBuf>,

    /// The certificate's key, where it is in a file of its own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "certificate_file")]
    certificate_key_file: Option<PathBuf>,

    /// File with the passphrase of an encrypted key or PKCS#12 file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "certificate_file")]
    certificate_passphrase_file: Option<PathBuf>,

    /// File with an assertion that another identity provider issues, instead of a secret
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "client_secret_file")]
    federated_token_file: Option<PathBuf>,

    /// A secret in an argument can be read by every process of this machine, so it is refused
    #[arg(long, hide = true, alias = "password", num_args = 0..=1)]
    client_secret: Option<Option<String>>,

    /// Keep the store's key in this file, which is made where it is not there
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    key_file: Option<PathBuf>,

    /// Where grants are kept: sqlite:PATH
    #[arg(long, value_name = "URI")]
    store: Option<String>,

    /// Replace a configuration file that is there
    #[arg(long)]
    force: bool,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    if arguments.client_secret.is_some() {
        return Err(Failure::usage(
            "a secret must not stand on the command line",
            "leave it out and type it when asked, or name its file with --client-secret-file",
        ));
    }
    let path = session.named_config().or_else(default_config_path).ok_or_else(|| {
        Error::new(ErrorKind::ConfigMissing, "init", "this account has no home folder")
            .with_hint("name the file to write with --config")
    })?;
    let path = absolute(&path)?;
    if path.exists() && !arguments.force {
        return Err(Error::new(ErrorKind::InvalidArgument, "init", "there is a configuration file already")
            .with_hint("change it by hand, name another with --config, or replace it with --force")
            .with_context("file", path.display())
            .into());
    }
    let settings = Settings::gather(&arguments, &path, terminal).await?;
    // Refuses what does not fit before anything is written.
    Config::from_json(&settings.to_json())?;

    if let Some(key_file) = settings.key_file.as_deref().filter(|path| !path.exists()) {
        create_key_file(key_file)?;
    }
    if let (Some(secret), Some(file)) = (&settings.typed_secret, &settings.secret_file) {
        // EXPOSE: into the file of its own, mode 0600, where the configuration looks for it.
        let line = Zeroizing::new(format!("{}\n", secret.as_str()));
        // An init that was cut short may have written it already.
        if !private_text(file).is_ok_and(|kept| *kept == *line) {
            write(file, line.as_bytes(), arguments.force)?;
        }
    }
    write(&path, settings.to_toml().as_bytes(), arguments.force)?;

    let written = |error: Error| error.with_context("written", path.display());
    let app = session.app_of(&path).await?;
    app.check_store().await.map_err(written)?;
    let config = app.config();
    let report = InitReport {
        schema_version: SCHEMA_VERSION,
        config: path.display().to_string(),
        client_secret_file: settings.secret_file.as_ref().map(|file| file.display().to_string()),
        store: app.store_location(),
        key: config.key.to_string(),
        next: match config.profile {
            Profile::Cpv => "partnersam consent PARTNER",
            Profile::Csp => "partnersam consent TENANT",
        },
    };
    if arguments.json {
        output::print(terminal, &report)?;
        return Ok(End::OK);
    }
    terminal.print(format_args!("{} wrote {}", terminal.style_out(Style::Good, "✔"), report.config))?;
    terminal.print(format_args!("  grants are kept in {}, its key in {}", report.store, report.key))?;
    if let Some(file) = &report.client_secret_file {
        terminal.print(format_args!("  the client secret is in {file}"))?;
    } else if let Some(credential) = config.credentials.all().first() {
        // Opens it, so that a wrong passphrase shows here.
        credential.expires_on().map_err(|error| error.with_context("written", path.display()))?;
        terminal.print(format_args!("  the app proves itself by its {}", credential.describe()))?;
    } else {
        terminal.print(
            "  the app has no credential yet: set PARTNERSAM_CLIENT_SECRET, or client_secret_file or certificate_file in that file",
        )?;
    }
    terminal.print(format_args!("next: {}", report.next))?;
    Ok(End::OK)
}

/// What goes into the file.
struct Settings {
    client_id: ClientId,
    tenant: Option<TenantRef>,
    profile: Option<String>,
    cloud: Option<String>,
    secret_file: Option<PathBuf>,
    typed_secret: Option<Zeroizing<String>>,
    /// Keys of the configuration and the files they name, for a credential that is no secret.
    credential_files: Vec<(&'static str, PathBuf)>,
    key_file: Option<PathBuf>,
    store: Option<String>,
}

impl Settings {
    async fn gather(arguments: &Arguments, config: &Path, terminal: &Terminal) -> Result<Self, Failure> {
        let client_id = match &arguments.client_id {
            Some(id) => id.clone(),
            None if terminal.can_ask() => {
                terminal.ask("client id of the app registration").await?.parse().map_err(Failure::Error)?
            }
            None => {
                return Err(Failure::usage(
                    "the client id is missing",
                    "add --client-id; it stands on the app registration's overview page",
                ));
            }
        };
        let tenant = match &arguments.tenant {
            Some(tenant) => Some(tenant.clone()),
            None if terminal.can_ask() => {
                match terminal.ask("tenant of the app registration (id or domain, may be left out)").await?.as_str() {
                    "" => None,
                    text => Some(text.parse().map_err(Failure::Error)?),
                }
            }
            None => None,
        };
        let mut settings = Self {
            client_id,
            tenant,
            profile: arguments.profile.clone(),
            cloud: arguments.cloud.clone(),
            secret_file: None,
            typed_secret: None,
            credential_files: credential_files(arguments)?,
            key_file: arguments.key_file.as_deref().map(absolute).transpose()?,
            store: arguments.store.clone(),
        };
        let typed = match arguments.client_secret_file.as_deref() {
            Some(file) if file.as_os_str() == "-" => Some(terminal.read_to_end().await?),
            Some(file) => {
                let file = absolute(file)?;
                check_secret(private_text(&file)?.trim())?;
                settings.secret_file = Some(file);
                None
            }
            None if terminal.can_ask() && settings.credential_files.is_empty() => {
                Some(terminal.ask_hidden("client secret (not shown, may be left out)").await?)
            }
            None => None,
        };
        if let Some(typed) =
            typed.map(|typed| Zeroizing::new(typed.trim().to_owned())).filter(|typed| !typed.is_empty())
        {
            check_secret(&typed)?;
            settings.secret_file = Some(config.with_file_name(SECRET_NAME));
            settings.typed_secret = Some(typed);
        } else if arguments.client_secret_file.as_deref().is_some_and(|file| file.as_os_str() == "-") {
            return Err(Failure::usage(
                "there is no client secret: standard input is empty",
                "give the secret on standard input, or name its file",
            ));
        }
        Ok(settings)
    }

    /// Key and value, in the order of the file.
    fn values(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let credential = self.credential_files.iter().map(|(key, file)| (*key, Some(path(file))));
        [
            ("client_id", Some(self.client_id.to_string())),
            ("tenant", self.tenant.as_ref().map(ToString::to_string)),
            ("cloud", self.cloud.clone()),
            ("profile", self.profile.clone()),
            ("client_secret_file", self.secret_file.as_ref().map(path)),
            ("store", self.store.clone()),
            ("key", self.key_file.as_ref().map(|file| format!("file:{}", path(file)))),
        ]
        .into_iter()
        .chain(credential)
        .filter_map(|(key, value)| value.map(|value| (key, value)))
        .collect()
    }

    fn to_json(&self) -> String {
        let values: serde_json::Map<_, _> =
            self.values().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        serde_json::Value::Object(values).to_string()
    }

    fn to_toml(&self) -> String {
        let lines: String =
            self.values().into_iter().map(|(key, value)| format!("{key} = {}\n", toml::Value::String(value))).collect();
        format!("# Configuration of partnersam. No password and no secret belongs in here.\n{lines}")
    }
}

/// The files of a certificate or a federated assertion, which stay where they are. A private one must be private.
fn credential_files(arguments: &Arguments) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
    let named = [
        ("certificate_file", &arguments.certificate_file),
        ("certificate_key_file", &arguments.certificate_key_file),
        ("certificate_passphrase_file", &arguments.certificate_passphrase_file),
        ("federated_token_file", &arguments.federated_token_file),
    ];
    named.into_iter().filter_map(|(key, file)| file.as_ref().map(|file| Ok((key, absolute(file)?)))).collect()
}

/// Refuses what people take for a client secret: its id, and a password of their own.
fn check_secret(text: &str) -> Result<(), Error> {
    let refuse =
        |message: &str, hint: &str| Err(Error::new(ErrorKind::InvalidArgument, "init", message).with_hint(hint));
    if uuid::Uuid::try_parse(text).is_ok() {
        return refuse(
            "this is the secret's id, not its value",
            "copy the column Value; it is shown once, when the secret is made",
        );
    }
    if text.chars().count() < SHORTEST_SECRET {
        return refuse(
            "this is too short for a client secret: it may be a password",
            "partnersam needs no password; make a client secret in the app registration and copy its value",
        );
    }
    if text.contains(char::is_whitespace) {
        return refuse("a client secret is one word", "give the secret alone, without quotes or a name before it");
    }
    Ok(())
}

/// The text of a file that nobody else may read.
fn private_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    let unusable =
        |message: &str| Error::new(ErrorKind::ConfigInvalid, "init", message).with_context("file", path.display());
    let facts = fs::metadata(path)
        .map_err(|error| unusable("the file with the client secret cannot be read").with_cause(error.kind()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if facts.permissions().mode() & 0o077 != 0 {
            return Err(
                unusable("the file with the client secret can be read by others").with_hint("run `chmod 600` on it")
            );
        }
    }
    if !facts.is_file() {
        return Err(unusable("the client secret is not in a file"));
    }
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| unusable("the file with the client secret cannot be read").with_cause(error.kind()))
}

/// Writes a private file in a private folder, over an old one only by force.
fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Error> {
    let written =
        if force && path.exists() { replace_private_file(path, bytes) } else { create_private_file(path, bytes) };
    written.map_err(|error| error.in_operation("init"))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::internal("a path could not be made absolute", error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use partnersam::Cloud;

    #[test]
    fn the_words_offered_are_the_core_s() {
        let command = crate::arguments::Arguments::command();
        let init = command.find_subcommand("init").unwrap();
        let words = |name: &str| -> Vec<String> {
            let argument = init.get_arguments().find(|argument| argument.get_id() == name).unwrap();
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
        };
        assert_eq!(words("cloud"), Cloud::ALL.map(|cloud| cloud.to_string()));
        assert_eq!(words("profile"), [Profile::Cpv, Profile::Csp].map(|profile| profile.to_string()));
    }

    #[test]
    fn what_is_no_client_secret_is_refused_and_not_repeated() {
        for (text, said) in [
            ("11111111-2222-3333-4444-555555555555", "id"),
            ("Winter2026!", "password"),
            ("client_secret: test-only-secret-value-0001", "one word"),
        ] {
            let error = check_secret(text).unwrap_err();
            assert!(error.message().contains(said), "{error:?}");
            assert!(!error.to_json().contains(text));
        }
        assert!(check_secret("test-only-secret+not&real%1~value=").is_ok());
    }

    #[test]
    fn the_file_reads_back_whatever_is_in_the_values() {
        let settings = Settings {
            client_id: "eeeeeeee-0000-4000-8000-000000000001".parse().unwrap(),
            tenant: None,
            profile: Some("cpv".to_owned()),
            cloud: None,
            secret_file: Some(PathBuf::from("/a \"quoted\" folder/\\n")),
            typed_secret: None,
            credential_files: Vec::new(),
            key_file: Some(PathBuf::from("/it's/key")),
            store: None,
        };
        let table: toml::Table = settings.to_toml().parse().unwrap();
        for (key, value) in settings.values() {
            assert_eq!(table.get(key).and_then(toml::Value::as_str), Some(value.as_str()), "{key}");
        }
        assert_eq!(table.len(), 4);
    }
}
