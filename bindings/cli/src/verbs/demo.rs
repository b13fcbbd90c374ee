//! `partnersam demo`: the whole story in a temporary folder, by the commands that a user types, each in a process of its own.

mod person;
mod scene;

use std::path::Path;

use fs_err as fs;
use partnersam::store::create_private_file;
use serde_json::Value;

use self::person::Person;
use self::scene::{Answer, Scene};
use super::{End, Outcome};
use crate::exit;
use crate::failure::Failure;
use crate::session::Session;

const EXAMPLES: &str = "\
Example:
  partnersam demo

It needs nothing but this machine: an emulator plays Microsoft, and everything that is written is removed at the end";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const PARTNER: &str = "fabrikam.com";
const CUSTOMER: &str = "contoso.com";
const AUDIENCES: [&str; 3] = ["partner-center", "graph", "arm"];
/// Signs in with MFA.
const ADMINISTRATOR: &str = "admin@fabrikam.com";
/// Has never registered MFA.
const WITHOUT_MFA: &str = "legacy@fabrikam.com";
/// The owner's script, before and after.
const SCRIPT: &str = "customers.py";

pub(crate) async fn run(_arguments: Arguments, session: &Session<'_>) -> Outcome {
    let terminal = session.terminal;
    let mut scene = Scene::open(session).await?;
    let played = play(&mut scene).await;
    let step = scene.step();
    scene.close().await?;
    match played {
        Ok(()) => {
            terminal.print("")?;
            terminal.print("demo: everything worked")?;
            Ok(End::OK)
        }
        Err(failure) => {
            terminal.print("")?;
            terminal.print(format_args!("demo: step {step} did not end as it should"))?;
            failure.tell(terminal, false);
            Ok(End::Code(exit::FAILED))
        }
    }
}

async fn play(scene: &mut Scene<'_>) -> Result<(), Failure> {
    let person = Person::new(scene.ready())?;

    scene.begin("An emulator plays Entra, Partner Center and Graph on this machine")?;
    scene.tell(format_args!(
        "Entra is at {}, Partner Center at {}",
        scene.ready().authority,
        scene.ready().partner_center
    ))?;
    scene.tell(format_args!("everything below happens in {}", scene.home().display()))?;

    before(scene)?;
    configure(scene).await?;
    consent(scene, &person).await?;
    proof(scene).await?;
    after(scene).await?;
    let token = tokens(scene).await?;
    call(scene, &person, &token).await?;
    without_mfa(scene, &person).await?;
    rotation(scene, &person).await?;
    status(scene).await
}

/// What such scripts look like: a user name, a password, and the password grant.
fn before(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("Before: the partner's script keeps a user name and a password")?;
    let password = scene.password_of(ADMINISTRATOR)?;
    let script = |password: &str| {
        format!(
            "import requests\n\
             username, password = \"{ADMINISTRATOR}\", \"{password}\"\n\
             token = requests.post(TOKEN_URL, data={{\"grant_type\": \"password\", \"username\": username, \"password\": password}})\n"
        )
    };
    create_private_file(&scene.home().join(SCRIPT), script(&password).as_bytes())?;
    scene.show(SCRIPT, &script("••••••••"))
}

async fn configure(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("The app's configuration: no password, the secret in a file of its own, a key for the store")?;
    let (client_id, secret) = scene.app()?;
    let init = [
        "init",
        "--client-id",
        &client_id,
        "--tenant",
        "vendor.example",
        "--client-secret-file",
        "-",
        "--key-file",
        "key",
    ];
    scene.play_with(&init, &[], &secret).await?.expect(exit::OK)?;
    Ok(())
}

async fn consent(scene: &mut Scene<'_>, person: &Person) -> Result<(), Failure> {
    scene.begin("One consent: a link, a sign-in with MFA, and the grant is in the store")?;
    let answer = sign_in(scene, person, ADMINISTRATOR, &[], &[]).await?.expect(exit::OK)?;
    scene.check(
        answer.stderr.contains("MFA yes") && !answer.stderr.contains('✘'),
        "the consent line says that MFA was proved and every audience came",
    )
}

/// `consent --link` in one process, the person in another place.
async fn sign_in(
    scene: &Scene<'_>,
    person: &Person,
    who: &str,
    more: &[&str],
    environment: &[(&str, &Path)],
) -> Result<Answer, Failure> {
    let arguments = [&["consent", PARTNER, "--link"], more].concat();
    let (link, running) = scene.start(&arguments, environment).await?;
    scene.tell(format_args!("{}…", link.chars().take(100).collect::<String>()))?;
    scene.tell(format_args!(
        "{who} opens it, types the password{}",
        if who == WITHOUT_MFA { ", and is never asked for more" } else { " and the code of the authenticator" }
    ))?;
    let page = person.sign_in(&link, who).await?;
    scene.tell(format_args!("the browser shows: {page}"))?;
    scene.end(running).await
}

async fn proof(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("What was proved, and what is kept")?;
    let status = scene.play(&["status", PARTNER, "--json"], &[]).await?.expect(exit::OK)?.json()?;
    let grant = at(&status, "/grants/0");
    scene.tell(format_args!("who consented: {}, on {}", text(grant, "/user_name"), text(grant, "/consented_on")))?;
    scene.tell(format_args!(
        "MFA: the Partner Center token says {}; Partner Center itself says {}",
        at(grant, "/amr"),
        at(grant, "/partner_center_mfa")
    ))?;
    scene.tell(format_args!(
        "it ends on {} unless it is used before, and every use starts its 90 days again",
        text(grant, "/expires_on")
    ))?;
    scene.check(
        at(grant, "/mfa") == "yes" && at(grant, "/partner_center_mfa") == true,
        "MFA is proved by the token and by Partner Center",
    )
}

/// The password is gone, and nobody misses it.
async fn after(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("After: the script takes its token from the environment, and the password is deleted")?;
    let script = "import os\ntoken = os.environ[\"PARTNERSAM_ACCESS_TOKEN\"]\n";
    let path = scene.home().join(SCRIPT);
    fs::write(&path, script).map_err(|error| Failure::internal("the script could not be written", error))?;
    scene.show(SCRIPT, script)?;
    #[cfg(unix)]
    {
        let run = [
            "run",
            "--for",
            "partner-center",
            "--",
            "sh",
            "-c",
            "test -n \"$PARTNERSAM_ACCESS_TOKEN\" && echo the script has its token",
        ];
        scene.play(&run, &[]).await?.expect(exit::OK)?;
    }
    let password = scene.password_of(ADMINISTRATOR)?;
    let found = files_with(scene.home(), &password)?;
    scene.check(found.is_empty(), &format!("no file holds the password: {}", found.join(", ")))?;
    scene.tell(format_args!("no file in the folder holds the password any more"))
}

async fn tokens(scene: &mut Scene<'_>) -> Result<String, Failure> {
    scene.begin("Tokens for three audiences, and for a customer")?;
    let mut for_partner_center = String::new();
    for audience in AUDIENCES {
        let token = token(scene, &["token", PARTNER, "--for", audience, "--json"], &[]).await?;
        if audience == "partner-center" {
            for_partner_center = text(&token, "/access_token").to_owned();
        }
    }
    let token = token(scene, &["token", PARTNER, "--for", "graph", "--customer", CUSTOMER, "--json"], &[]).await?;
    scene
        .check(at(&token, "/tenant") != at(&token, "/partner"), "the customer's token is for the customer's tenant")?;
    Ok(for_partner_center)
}

/// One token, told without showing it.
async fn token(scene: &Scene<'_>, arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Value, Failure> {
    let token = scene.play(arguments, environment).await?.expect(exit::OK)?.json()?;
    scene.tell(format_args!(
        "{} in tenant {}, MFA {}, until {}",
        text(&token, "/audience"),
        text(&token, "/tenant"),
        text(&token, "/mfa"),
        text(&token, "/expires_on")
    ))?;
    scene.check(text(&token, "/access_token").len() > 20, "there is a token")?;
    Ok(token)
}

async fn call(scene: &mut Scene<'_>, person: &Person, token: &str) -> Result<(), Failure> {
    scene.begin("A Partner Center call with that token")?;
    let answer = person.customers(token).await?;
    let names: Vec<_> = at(&answer.body, "/items")
        .as_array()
        .into_iter()
        .flatten()
        .map(|customer| text(customer, "/companyProfile/companyName"))
        .collect();
    scene.tell(format_args!("GET /v1/customers: {}, isMfaCompliant {}", answer.status, answer.mfa))?;
    scene.tell(format_args!("customers: {}", names.join(", ")))?;
    scene.check(answer.status == 200 && answer.mfa == "true" && !names.is_empty(), "Partner Center lists the customers")
}

async fn without_mfa(scene: &mut Scene<'_>, person: &Person) -> Result<(), Failure> {
    scene.begin("The same with an account that has no MFA: nothing is stored")?;
    let answer = sign_in(scene, person, WITHOUT_MFA, &[], &[]).await?.expect(exit::SIGN_IN)?;
    scene.check(answer.stderr.contains("did not prove MFA"), "the consent is refused for want of MFA")?;

    scene.begin("Insisting, in a second store, shows what it would be worth")?;
    let store = format!("sqlite:{}", scene.home().join("second.db").display());
    let elsewhere = [("PARTNERSAM_STORE", Path::new(&store))];
    sign_in(scene, person, WITHOUT_MFA, &["--for", "partner-center", "--allow-without-mfa"], &elsewhere)
        .await?
        .expect(exit::OK)?;
    let token = token(scene, &["token", PARTNER, "--for", "partner-center", "--json"], &elsewhere).await?;
    let answer = person.customers(text(&token, "/access_token")).await?;
    scene.tell(format_args!(
        "GET /v1/customers: {}, code {}: {}",
        answer.status,
        text(&answer.body, "/code"),
        text(&answer.body, "/description")
    ))?;
    scene.check(
        at(&token, "/mfa") == "no" && answer.status == 401 && at(&answer.body, "/code") == "900421",
        "Partner Center refuses the call with 900421",
    )
}

async fn rotation(scene: &mut Scene<'_>, person: &Person) -> Result<(), Failure> {
    scene.begin("Two processes redeem the grant at once, at a service that takes each refresh token only once")?;
    person.behave(r#"{"strict_refresh": true}"#).await?;
    let generation = generation(scene).await?;
    let fresh = ["token", PARTNER, "--for", "graph", "--fresh", "--json"];
    let (one, two) = tokio::join!(scene.play(&fresh, &[]), scene.play(&fresh, &[]));
    let (one, two) = (one?.expect(exit::OK)?.json()?, two?.expect(exit::OK)?.json()?);
    let rotated = self::generation(scene).await? - generation;
    scene.check(
        at(&one, "/access_token") != at(&two, "/access_token") && rotated == 2,
        "each process has a token of its own, and each rotation is kept",
    )?;
    scene.play(&["renew", PARTNER], &[]).await?.expect(exit::OK)?;
    scene.tell(format_args!("both have a token, {rotated} rotations were kept, and the last refresh token redeems"))
}

async fn generation(scene: &Scene<'_>) -> Result<i64, Failure> {
    let status = scene.ask(&["status", PARTNER, "--json"]).await?.expect(exit::OK)?.json()?;
    at(&status, "/grants/0/generation")
        .as_i64()
        .ok_or_else(|| Failure::internal("the status has no generation", "none"))
}

async fn status(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.begin("How it stands")?;
    let answer = scene.play(&["status"], &[]).await?.expect(exit::OK)?;
    scene.check(answer.stdout.contains(PARTNER) && answer.stdout.contains("active"), "the grant is active")
}

/// What a JSON value has at that pointer (RFC 6901); null where it has nothing.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The text that a JSON value has there, empty for anything else.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// Names of the files below `folder` that hold these bytes.
fn files_with(folder: &Path, needle: &str) -> Result<Vec<String>, Failure> {
    let unreadable = |error: std::io::Error| Failure::internal("the folder could not be searched", error);
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path)
                .map_err(unreadable)?
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}
