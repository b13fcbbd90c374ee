use std::collections::HashMap;

use super::*;

const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn with(file: &str, environment: &[(&str, &str)]) -> Result<Config> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, file).expect("a file");
    let mut variables: HashMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.insert("PARTNERSAM_CONFIG".to_owned(), path.display().to_string());
    variables.entry("PARTNERSAM_STORE".to_owned()).or_insert_with(|| "memory:".to_owned());
    Config::from_environment(&move |name| variables.get(name).cloned())
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> Error {
    with(file, environment).expect_err("a refusal")
}

#[test]
fn own_variables_come_first_then_the_file_then_the_general_names() {
    let file = format!("client_id = \"{ID}\"\ntenant = \"file.example\"\n");
    let other = "bbbbbbbb-0000-cccc-1111-dddd2222eeee";
    let config =
        with(&file, &[("AZURE_CLIENT_ID", other), ("AZURE_TENANT_ID", "azure.example")]).expect("a configuration");
    assert_eq!(config.client_id.as_str(), ID);
    assert_eq!(config.home_tenant.expect("a tenant").to_string(), "file.example");
    let config = with(&file, &[("PARTNERSAM_CLIENT_ID", other)]).expect("a configuration");
    assert_eq!(config.client_id.as_str(), other);
    let config = with("", &[("AZURE_CLIENT_ID", other), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")])
        .expect("a configuration");
    assert_eq!((config.client_id.as_str(), config.authority.cloud()), (other, Cloud::UsGovernment));
    for (host, cloud) in [("https://login.windows.net", Cloud::Public), ("login.chinacloudapi.cn", Cloud::China)] {
        let config = with(&file, &[("AZURE_AUTHORITY_HOST", host)]).expect("an older name of a sign-in");
        assert_eq!(config.authority, Authority::microsoft(cloud));
    }
    let stranger = with(&file, &[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com.evil.example")]);
    assert_eq!(stranger.expect_err("a stranger").kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn a_secret_of_another_app_is_not_used() {
    let file = format!("client_id = \"{ID}\"");
    let secret = ("AZURE_CLIENT_SECRET", "not-a-real-secret");
    let config =
        with(&file, &[secret, ("AZURE_CLIENT_ID", "bbbbbbbb-0000-cccc-1111-dddd2222eeee")]).expect("a configuration");
    assert!(config.credentials.all().is_empty());
    let config = with(&file, &[secret, ("AZURE_CLIENT_ID", ID)]).expect("a configuration");
    assert_eq!(config.credentials.all().len(), 1);
}

#[test]
fn a_wrong_value_is_refused_by_its_key_and_never_shown() {
    let marker = "not-to-be-shown";
    for (key, file) in [
        ("client_id", format!("client_id = \"{marker}\"")),
        ("tenant", format!("client_id = \"{ID}\"\ntenant = \"{marker}/x\"")),
        ("cloud", format!("client_id = \"{ID}\"\ncloud = \"{marker}\"")),
        ("profile", format!("client_id = \"{ID}\"\nprofile = \"{marker}\"")),
        ("key", format!("client_id = \"{ID}\"\nkey = \"{marker}\"")),
        ("redirect_uri", format!("client_id = \"{ID}\"\nredirect_uri = \"{marker}\"")),
        ("scopes", format!("client_id = \"{ID}\"\nscopes = \"{marker}\"")),
        ("v1_resources", format!("client_id = \"{ID}\"\nv1_resources = [\"{marker}\"]")),
        ("client_capabilities", format!("client_id = \"{ID}\"\nclient_capabilities = [\"{marker}\"]")),
        ("client_capabilities", format!("client_id = \"{ID}\"\nclient_capabilities = \"{marker}\"")),
        ("authority", format!("client_id = \"{ID}\"\nauthority = \"{marker}\"")),
        ("purposes", format!("client_id = \"{ID}\"\n[purposes.report]\nx = \"{marker}\"")),
        ("purposes.report", format!("client_id = \"{ID}\"\n[purposes.report]\naudiences = [\"{marker}\"]")),
        ("purposes.report", format!("client_id = \"{ID}\"\n[purposes.report]\nexpires_on = \"{marker}\"")),
        ("purpose must", format!("client_id = \"{ID}\"\npurpose = \"{marker}\"\n[purposes.report]\n")),
        ("public_client", format!("client_id = \"{ID}\"\npublic_client = \"{marker}\"")),
        ("line 2", format!("client_id = \"{ID}\"\ntenant = {marker}")),
        ("client_secret", format!("client_secret = \"{marker}\"")),
        ("password", format!("password = \"{marker}\"")),
    ] {
        let error = refusal(&file, &[]);
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{key}");
        let text = format!("{error:?} {}", error.to_json());
        assert!(text.contains(key), "{key} is not named: {text}");
        assert!(!text.contains(marker), "{key} shows its value: {text}");
    }
    let error =
        refusal("", &[("PARTNERSAM_STORE", "postgres://user:not-to-be-shown@host/db"), ("PARTNERSAM_CLIENT_ID", ID)]);
    assert_eq!(error.message(), "the password must not stand in store");
    let text = format!("{error:?} {}", error.to_json());
    assert!(text.contains("PARTNERSAM_STORE") && !text.contains(marker), "{text}");
    let error =
        refusal("", &[("PARTNERSAM_STORE", "redis://user:not-to-be-shown@host/db"), ("PARTNERSAM_CLIENT_ID", ID)]);
    assert!(error.message().starts_with("PARTNERSAM_STORE must be") && !format!("{error:?}").contains(marker));
}

#[test]
fn an_unknown_key_is_not_passed_over() {
    let error = refusal(&format!("client_id = \"{ID}\"\nteant = \"x\""), &[]);
    assert_eq!(error.message(), "unknown key: teant");
}

#[test]
fn without_an_app_the_user_is_told_where_to_begin() {
    let error = refusal("", &[]);
    assert_eq!(error.kind(), ErrorKind::ConfigMissing);
    assert!(error.hint().contains("partnersam init"));
}

#[test]
fn paths_in_a_file_are_relative_to_it_and_a_store_is_never_in_the_working_directory() {
    let config = with(&format!("client_id = \"{ID}\"\nclient_secret_file = \"secret\"\nkey = \"file:key\""), &[])
        .expect("a configuration");
    let secret = config.credentials.all().first().expect("a credential").describe();
    assert!(Path::new(secret.trim_start_matches("client secret in ")).is_absolute(), "{secret}");
    assert!(matches!(&config.key, KeySource::File(path) if path.is_absolute()));
    assert_eq!(
        refusal(&format!("client_id = \"{ID}\""), &[("PARTNERSAM_STORE", "sqlite:grants.db")]).kind(),
        ErrorKind::ConfigInvalid
    );
}

#[test]
fn the_emulator_is_named_or_not_reachable_and_never_gets_a_real_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let ready = folder.path().join("ready.json");
    let app = format!(
        "{{\"profile\":\"cpv\",\"client_id\":\"{ID}\",\"client_secret\":\"not-a-real-secret\",\"tenant\":\"vendor.example\"}}"
    );
    let ready_text = |host: &str| {
        format!(
            "{{\"authority\":\"https://{host}:1\",\"partner_center\":\"https://{host}:2\",\"graph\":\"https://{host}:3\",\"ca_file\":\"/ca.pem\",\"apps\":[{app}]}}"
        )
    };
    fs::write(&ready, ready_text("localhost")).expect("a file");
    let path = ready.display().to_string();
    let config = with(
        "",
        &[
            ("PARTNERSAM_EMULATOR", &path),
            ("AZURE_CLIENT_ID", "bbbbbbbb-0000-cccc-1111-dddd2222eeee"),
            ("AZURE_CLIENT_SECRET", "real"),
        ],
    )
    .expect("a configuration");
    assert_eq!((config.client_id.as_str(), config.authority.name()), (ID, "emulator"));
    fs::write(&ready, ready_text("evil.example")).expect("a file");
    assert_eq!(refusal("", &[("PARTNERSAM_EMULATOR", &path)]).kind(), ErrorKind::ConfigInvalid);
    assert_eq!(with(&format!("client_id = \"{ID}\""), &[]).expect("a configuration").authority.name(), "public");
}

#[test]
fn a_generic_authority_is_a_configuration_of_its_own() {
    let file = "client_id = \"lab-client\"\npublic_client = true\n[authority]\nname = \"lab\"\nissuer = \"https://id.lab.example/\"\none_use_refresh_tokens = true\n";
    let config = with(file, &[]).expect("a configuration");
    assert_eq!(config.authority.name(), "generic:lab");
    assert!(config.authority.one_use_refresh_tokens());
    assert_eq!(
        refusal("client_id = \"lab-client\"", &[]).kind(),
        ErrorKind::ConfigInvalid,
        "Entra's client ids are GUIDs"
    );
    assert_eq!(refusal(&file.replace("https://id", "http://id"), &[]).kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn json_takes_the_same_keys_and_a_secret_in_memory() {
    let config = Config::from_json(&format!(
        "{{\"client_id\":\"{ID}\",\"client_secret\":\"not-a-real-secret\",\"store\":\"memory:\"}}"
    ))
    .expect("a configuration");
    assert_eq!(config.credentials.all().len(), 1);
    assert!(!format!("{config:?}").contains("not-a-real-secret"));
    assert_eq!(Config::from_json("[]").expect_err("not an object").kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn cp1_is_declared_at_entra_and_elsewhere_what_is_configured() {
    let capabilities = |file: &str| with(file, &[]).expect("a configuration").client_capabilities;
    let entra = format!("client_id = \"{ID}\"\n");
    assert_eq!(capabilities(&entra), ["cp1"]);
    assert_eq!(capabilities(&format!("{entra}client_capabilities = []")), Vec::<String>::new());
    assert_eq!(capabilities(&format!("{entra}client_capabilities = [\"cp1\", \"cp2\"]")), ["cp1", "cp2"]);
    let generic = "client_id = \"x\"\npublic_client = true\nauthority = { name = \"lab\", issuer = \"https://id.lab.example/\" }\n";
    assert_eq!(capabilities(generic), Vec::<String>::new());
}

#[test]
fn purposes_are_tables_by_name_and_the_default_is_one_of_them() {
    let file = format!(
        "client_id = \"{ID}\"\npurpose = \"nightly report\"\n[purposes.\"nightly report\"]\naudiences = [\"graph\", \"arm\"]\n\
         customers = [\"contoso.com\"]\nown_tenant = false\nexpires_on = \"2027-01-31\"\n[purposes.other]\nexpires_on = \"2027-01-31T12:00:00+01:00\"\n"
    );
    let config = with(&file, &[]).expect("a configuration");
    let chosen = config.purposes.named(None).expect("a purpose").expect("a declared one");
    assert_eq!(chosen.name(), "nightly report");
    assert_eq!(chosen.limits().audiences.as_deref(), Some(&[Audience::Graph, Audience::Arm][..]));
    assert_eq!(chosen.limits().expires_on.map(|end| end.to_string()).as_deref(), Some("2027-01-31T00:00:00Z"));
    assert!(!chosen.limits().own_tenant);
    let named = with(&file, &[("PARTNERSAM_PURPOSE", "other")]).expect("a configuration");
    let chosen = named.purposes.named(None).expect("a purpose").expect("a declared one");
    assert_eq!((chosen.name(), chosen.limits().own_tenant), ("other", true));
    assert_eq!(chosen.limits().expires_on.map(|end| end.to_string()).as_deref(), Some("2027-01-31T11:00:00Z"));
    let error = refusal(&file, &[("PARTNERSAM_PURPOSE", "third")]);
    assert!(error.message().starts_with("PARTNERSAM_PURPOSE must be"), "{error:?}");
    let free = with(&format!("client_id = \"{ID}\""), &[("PARTNERSAM_PURPOSE", "anything")]).expect("a configuration");
    assert!(free.purposes.is_empty() && free.purpose == "anything");
}

#[test]
fn the_keys_of_a_credential_are_those_from_its_certificate_to_the_older_one() {
    let keys = document::CREDENTIAL_KEYS;
    assert_eq!((keys.first(), keys.last(), keys.len()), (Some(&"certificate_file"), Some(&"older_credential"), 11));
}
