//! The contract against the emulator's Key Vault, and what only this store promises.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod rotation;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use partnersam_emulator::{Emulator, Options, Ready};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::clock::ManualClock;
use crate::cloud::Authority;
use crate::store::fixtures::*;
use crate::store::{Mfa, MfaEvidence, Taint};
use crate::transport::{HttpClient, RetryPolicy, Transport};
use crate::vault::{Opening, Trust, VaultAddress, VaultIdentity};

/// One emulator for all tests of this file, on a runtime of its own; each test has its own vault.
static EMULATOR: LazyLock<Ready> = LazyLock::new(|| {
    let (sent, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let emulator = Emulator::start(Options::default()).await.unwrap();
            sent.send(emulator.ready().clone()).unwrap();
            emulator.wait().await;
        });
    });
    received.recv().unwrap()
});

/// The sample managed identity, asked without the official crates.
#[derive(Debug)]
struct Sample(HttpClient);

impl VaultIdentity for Sample {
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<(AccessToken, UnixTime)>> {
        Box::pin(async move {
            let identity = EMULATOR.managed_identity.as_ref().unwrap();
            let resource = scope.strip_suffix("/.default").unwrap();
            let request = http::Request::get(format!("{}?resource={resource}", identity.endpoint))
                .header("x-identity-header", &identity.header)
                .body(Vec::new())
                .unwrap();
            let answer = self.0.send(request, Duration::from_secs(10)).await?;
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            let ends = body["expires_on"].as_str().unwrap().parse().unwrap();
            Ok((AccessToken::new(body["access_token"].as_str().unwrap()), UnixTime(ends)))
        })
    }

    fn describe(&self) -> String {
        "sample".to_owned()
    }
}

/// A vault of its own, and hosts that use it.
struct Lab {
    name: String,
    control: HttpClient,
}

/// One host: a folder for what lies beside the vault.
struct Host {
    folder: TempDir,
    keys: Arc<dyn KeyProvider>,
    format: Format,
    secret: Option<String>,
    clock: Arc<ManualClock>,
    /// What happens just before a request of this host goes out.
    before: Interruption,
}

/// Something that happens, once, before a request with this method and a path that has this in it.
type Interruption = Arc<Mutex<Option<(http::Method, String, BoxFuture<'static, ()>)>>>;

struct Interrupted(HttpClient, Interruption);

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted(..)")
    }
}

impl Transport for Interrupted {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>>> {
        async move {
            let is_it = |(method, part, _): &mut (http::Method, String, _)| {
                request.method() == *method && request.uri().path().contains(part.as_str())
            };
            let what = self.1.lock().unwrap().take_if(is_it);
            if let Some((_, _, what)) = what {
                what.await;
            }
            self.0.send(request, deadline).await
        }
        .boxed()
    }
}

impl Host {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            keys: Arc::new(Several::new(1)),
            format: Format::Sealed,
            secret: None,
            clock: Arc::new(ManualClock::at(NOW)),
            before: Interruption::default(),
        }
    }
}

fn local(url: &str) -> HttpClient {
    let login = &EMULATOR.authority;
    let authority = Authority::emulator(login, &EMULATOR.partner_center, &EMULATOR.graph).unwrap();
    HttpClient::new(authority, Some(EMULATOR.ca_file.clone())).for_local_endpoint(url.parse().unwrap())
}

impl Lab {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("test-{number}-{}", std::process::id()),
            control: local(&format!("{}/scenario", EMULATOR.control)),
        }
    }

    fn store(&self, host: &Host) -> KeyVaultStore {
        self.store_with(host, Arc::clone(&host.keys))
    }

    fn store_with(&self, host: &Host, keys: Arc<dyn KeyProvider>) -> KeyVaultStore {
        let port = Url::parse(&EMULATOR.key_vault).unwrap().port().unwrap();
        let resource = Url::parse(&format!("https://vault.localhost:{port}")).unwrap();
        let text = match &host.secret {
            None => format!("keyvault://{}", self.name),
            Some(secret) => format!("https://{}.vault.localhost:{port}/secrets/{secret}", self.name),
        };
        let address = VaultAddress::parse(&text, &resource).unwrap();
        let before = Arc::clone(&host.before);
        let make = move || {
            let authority = Authority::emulator(&EMULATOR.authority, &EMULATOR.partner_center, &EMULATOR.graph)?;
            let authority = authority.with_vault(address.base().clone());
            let endpoint = EMULATOR.managed_identity.as_ref().unwrap().endpoint.clone();
            Ok(Opening {
                address: address.clone(),
                trust: Trust { login: EMULATOR.authority.parse().unwrap(), resource: resource.clone() },
                identity: Arc::new(Sample(local(&endpoint))),
                transport: Arc::new(Interrupted(
                    HttpClient::new(authority, Some(EMULATOR.ca_file.clone())),
                    Arc::clone(&before),
                )),
                retry: RetryPolicy { first_wait: Duration::from_millis(1), ..RetryPolicy::default() },
            })
        };
        let manners = VaultManners { format: host.format, purge: true, writes_every_rotation: false };
        let clock: Arc<dyn Clock> = host.clock.clone();
        let beside = host.folder.path().join("beside.db");
        KeyVaultStore::new(Arc::new(make), &beside, keys, manners, clock).unwrap()
    }

    async fn told(&self, mut change: Value) {
        change["vault"] = json!(self.name);
        let request = http::Request::post(format!("{}/scenario", EMULATOR.control));
        let body = json!({ "vaults": change }).to_string().into_bytes();
        let answer = self.control.send(request.body(body).unwrap(), Duration::from_secs(10)).await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.body());
    }

    /// The versions of a grant's secret: how many there are, and how many can be read.
    async fn versions(&self, store: &KeyVaultStore, number: u128) -> (usize, usize) {
        let versions = store.vault.versions(&store.name(&grant_key(number))).await.unwrap();
        (versions.len(), versions.iter().filter(|version| version.enabled).count())
    }

    async fn found(&self, store: &KeyVaultStore, number: u128) -> crate::vault::Found {
        store.vault.get(&store.name(&grant_key(number)), None).await.unwrap().unwrap()
    }
}

crate::store::contract::contract!(|| {
    let (lab, host) = (Lab::new(), Host::new());
    (lab.store(&host), (lab, host))
});

fn token(number: u64) -> RefreshToken {
    RefreshToken::new(format!("not-a-real-refresh-token-{number}"))
}

async fn put(store: &KeyVaultStore, number: u64, facts: &GrantFacts, expect: Expect) -> Written {
    store.put_grant(&grant_key(1), &token(number), facts, expect).await.unwrap()
}

async fn token_of(store: &KeyVaultStore) -> String {
    store.grant(&grant_key(1)).await.unwrap().unwrap().refresh_token.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_holds_nothing_that_its_readers_can_use_or_that_names_a_person() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let found = lab.found(&store, 1).await;
    let all = format!("{} {:?} {}", *found.value, found.tags, found.content_type);
    for secret in ["not-a-real", "admin@fabrikam.example", "user-1"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(found.value.len() < 25_000 && found.content_type == record::SEALED_TYPE);
    assert_eq!(record::tenant(&found.tags), Some(tenant(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_stay_on_this_host_until_a_week_has_gone_by() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    for generation in 1..=6 {
        host.clock.advance(86_400);
        let facts = GrantFacts { last_redeemed_on: host.clock.now(), ..grant_facts() };
        put(&store, 1 + generation, &facts, Expect::Generation(generation)).await;
    }
    assert_eq!((lab.versions(&store, 1).await, token_of(&store).await), ((1, 1), token(7).expose().to_owned()));
    host.clock.advance(86_400);
    put(&store, 8, &grant_facts(), Expect::Generation(7)).await;
    assert_eq!(lab.versions(&store, 1).await, (2, 1), "the older version can still be read");
    // Another host finds the newest.
    assert_eq!(token_of(&lab.store(&Host::new())).await, token(8).expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_must_know_goes_to_the_vault_at_once() {
    let unproved = MfaEvidence { verdict: Mfa::Unknown, ..grant_facts().mfa };
    for changed in [
        GrantFacts { user_oid: "user-2".to_owned(), ..grant_facts() },
        GrantFacts { mfa: unproved, ..grant_facts() },
        GrantFacts { consented_on: NOW.plus(1), ..grant_facts() },
        dead_facts(),
    ] {
        let (lab, host) = (Lab::new(), Host::new());
        let store = lab.store(&host);
        put(&store, 1, &grant_facts(), Expect::Absent).await;
        put(&store, 2, &changed, Expect::Generation(1)).await;
        assert_eq!(lab.versions(&store, 1).await, (2, 1), "{changed:?}");
        let other = lab.store(&Host::new());
        assert_eq!(other.grant(&grant_key(1)).await.unwrap().unwrap().facts, changed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_token_ends_soon_is_written_anew() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    let ends_soon = GrantFacts { expires_on: NOW.plus(29 * 86_400), ..grant_facts() };
    put(&store, 1, &ends_soon, Expect::Absent).await;
    put(&store, 2, &grant_facts(), Expect::Generation(1)).await;
    assert_eq!(lab.versions(&store, 1).await, (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_revokes_is_gone_on_the_others() {
    let (lab, one, two) = (Lab::new(), Host::new(), Host::new());
    let (first, second) = (lab.store(&one), lab.store(&two));
    put(&first, 1, &grant_facts(), Expect::Absent).await;
    assert_eq!(token_of(&second).await, token(1).expose());
    second.put_token(&token_key(1, "graph"), &AccessToken::new("not-a-real-token"), &token_facts()).await.unwrap();
    // The second rotates, the first cannot have seen it, and loses nothing: it takes the vault's word.
    put(&second, 2, &GrantFacts { purpose: "changed".to_owned(), ..grant_facts() }, Expect::Generation(1)).await;
    assert_eq!(put(&first, 3, &grant_facts(), Expect::Generation(1)).await, Written::Lost(Some(2)));
    assert_eq!(token_of(&first).await, token(2).expose());
    assert!(first.remove_grant(&grant_key(1)).await.unwrap());
    assert!(second.grant(&grant_key(1)).await.unwrap().is_none());
    assert!(second.token(&token_key(1, "graph")).await.unwrap().is_none());
    assert!(second.tenants(&app(), None, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_between_the_two_writes_of_a_writer_does_not_take_its_win() {
    let (lab, host) = (Lab::new(), Host::new());
    let (writer, reader) = (lab.store(&host), Arc::new(lab.store(&host)));
    put(&writer, 1, &grant_facts(), Expect::Absent).await;
    let reading = {
        let reader = Arc::clone(&reader);
        tokio::spawn(async move {
            loop {
                reader.grant(&grant_key(1)).await.unwrap().unwrap();
            }
        })
    };
    for generation in 1..=10 {
        let facts = GrantFacts { purpose: format!("purpose {generation}"), ..grant_facts() };
        assert_eq!(put(&writer, 1, &facts, Expect::Generation(generation)).await, Written::Yes(generation + 1));
    }
    reading.abort();
    assert_eq!(reader.grant(&grant_key(1)).await.unwrap().unwrap().facts.purpose, "purpose 10");
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_delete_is_waited_for_recovered_and_purged() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    lab.told(json!({ "lag": 2 })).await;
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let name = store.name(&grant_key(1));
    // Deleted by hand: the name is taken until it is recovered.
    assert!(store.vault.delete(&name).await.unwrap());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
    put(&store, 2, &grant_facts(), Expect::Absent).await;
    assert_eq!(lab.versions(&store, 1).await, (2, 1), "the recovered version can still be read");
    assert!(store.remove_grant(&grant_key(1)).await.unwrap());
    put(&store, 3, &grant_facts(), Expect::Absent).await;
    assert_eq!(lab.versions(&store, 1).await, (1, 1), "it was not purged");
    lab.told(json!({ "purge_protection": true })).await;
    assert!(store.remove_grant(&grant_key(1)).await.unwrap());
    put(&store, 4, &grant_facts(), Expect::Absent).await;
    assert_eq!(lab.versions(&store, 1).await, (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_by_whom_and_gets_nothing() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let identity = EMULATOR.managed_identity.as_ref().unwrap().client_id.as_str();
    for (change, kind, code) in [
        (json!({ "roles": { identity: "none" } }), ErrorKind::VaultRoleMissing, "ForbiddenByRbac"),
        (json!({ "access_policies": {} }), ErrorKind::VaultPolicyMissing, "AccessDenied"),
        (json!({ "firewall": true }), ErrorKind::VaultFirewallBlocked, "ForbiddenByFirewall"),
    ] {
        lab.told(change).await;
        let error = store.grant(&grant_key(1)).await.unwrap_err();
        assert_eq!((error.kind(), error.service_code(), error.http_status()), (kind, Some(code), Some(403)));
        assert_eq!(error.actor(), crate::error::Actor::HostAdministrator);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_does_not_answer_is_degraded_serves_what_is_cached_and_recovers_by_itself() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    let access = AccessToken::new("not-a-real-access-token");
    let (key, facts) = (token_key(1, "graph"), token_facts());
    let written = store
        .put_grant_and_token(&grant_key(1), &token(1), &grant_facts(), Expect::Absent, (&key, &access, &facts))
        .await;
    assert_eq!(written.unwrap(), Written::Yes(1));
    assert!(matches!(store.condition(), StoreCondition::Ok));
    lab.told(json!({ "firewall": true })).await;
    let down = store.grant(&grant_key(1)).await.unwrap_err();
    host.clock.advance(60);
    assert!(store.put_grant(&grant_key(1), &token(2), &grant_facts(), Expect::Generation(1)).await.is_err());
    let StoreCondition::Degraded { since, error } = store.condition() else { unreachable!("it is degraded") };
    assert_eq!((since, error.kind()), (NOW, down.kind()));
    assert_eq!(store.token(&key).await.unwrap().unwrap().token.expose(), access.expose());
    lab.told(json!({ "firewall": false })).await;
    assert_eq!(token_of(&store).await, token(1).expose());
    assert!(matches!(store.condition(), StoreCondition::Ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_the_vault_did_not_take_is_kept_here_and_told_to_it_later() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    lab.told(json!({ "firewall": true })).await;
    store.put_grant(&grant_key(1), &token(1), &grant_facts(), Expect::Absent).await.unwrap_err();
    store.put_recovery(&grant_key(1), &token(1), &grant_facts(), 0).await.unwrap();
    lab.told(json!({ "firewall": false })).await;
    let store = lab.store(&host);
    assert_eq!(token_of(&store).await, token(1).expose());
    let other = lab.store(&Host::new());
    assert!(other.grant(&grant_key(1)).await.unwrap().is_none());
    assert_eq!(put(&store, 2, &grant_facts(), Expect::Generation(1)).await, Written::Yes(2));
    assert_eq!(token_of(&other).await, token(2).expose());
    assert!(other.remove_grant(&grant_key(1)).await.unwrap());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_was_cut_short_once_the_vault_had_it_ends_with_the_vault_s() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    store.local.refuse_late_vault_copies(true).await.unwrap();
    store.put_grant(&grant_key(1), &token(1), &grant_facts(), Expect::Absent).await.unwrap_err();
    store.local.refuse_late_vault_copies(false).await.unwrap();
    assert!(store.local.grant(&grant_key(1)).await.unwrap().is_some(), "it was cut short after the record");
    // Before this host looks again.
    assert!(lab.store(&Host::new()).remove_grant(&grant_key(1)).await.unwrap());
    assert!(store.grant(&grant_key(1)).await.unwrap().is_none(), "taken for a consent that the vault never had");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_vault_rotates_on_its_host_and_consents_nowhere() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let identity = EMULATOR.managed_identity.as_ref().unwrap().client_id.as_str();
    lab.told(json!({ "roles": { identity: "user" } })).await;
    host.clock.advance(8 * 86_400);
    assert_eq!(put(&store, 2, &grant_facts(), Expect::Generation(1)).await, Written::Yes(2));
    assert_eq!(token_of(&store).await, token(2).expose());
    let refused = store.put_grant(&grant_key(2), &token(1), &grant_facts(), Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::VaultRoleMissing);
    assert!(store.local.grant(&grant_key(2)).await.unwrap().is_none(), "kept here without the vault's knowledge");
    lab.told(json!({ "roles": { identity: "officer" } })).await;
    put(&store, 3, &grant_facts(), Expect::Generation(2)).await;
    assert_eq!(token_of(&lab.store(&Host::new())).await, token(3).expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_secret_is_refused_and_a_throttled_vault_is_asked_again() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let version = lab.found(&store, 1).await.version;
    store.vault.disable(&store.name(&grant_key(1)), &version).await.unwrap();
    let error = store.grant(&grant_key(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::StoreForbidden, Some("SecretDisabled")));
    assert!(store.tenants(&app(), None, 10).await.unwrap().is_empty());

    lab.told(json!({ "requests_per_second": 1 })).await;
    let first = store.vault.versions(&store.name(&grant_key(1))).await;
    let second = store.vault.versions(&store.name(&grant_key(1))).await;
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_and_a_swapped_or_bent_secret_are_three_answers() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    store.put_grant(&grant_key(2), &token(2), &grant_facts(), Expect::Absent).await.unwrap();
    let wrong = lab.store(&Host { keys: Arc::new(Several::new(2)), ..Host::new() });
    assert_eq!(wrong.grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreKeyWrong);

    let found = lab.found(&store, 2).await;
    let new = |value: String| {
        let tags = record::tags(&grant_key(1), &grant_facts(), NOW, None);
        (value, tags)
    };
    for (value, tags) in [
        new(found.value.to_string()),
        new(format!("{}x", *found.value)),
        new("psam1.x".to_owned()),
        new("bare".to_owned()),
    ] {
        let new = New { value: &value, content_type: "text/plain", tags, ends: None };
        store.vault.set(&store.name(&grant_key(1)), &new).await.unwrap();
        let error = lab.store(&Host::new()).grant(&grant_key(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreCorrupt, "{value}");
        assert!(!error.to_json().contains("bare\""), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_value_is_what_another_tool_reads_and_writes() {
    let lab = Lab::new();
    let host = Host { format: Format::Plain, secret: Some("RefreshToken".to_owned()), ..Host::new() };
    let store = lab.store(&host);
    // Put there by the other tool, without tags.
    let new = New { value: "not-a-real-token-of-a-tool", content_type: "", tags: [].into(), ends: None };
    store.vault.set("RefreshToken", &new).await.unwrap();
    let grant = store.grant(&grant_key(1)).await.unwrap().unwrap();
    assert_eq!((grant.refresh_token.expose(), grant.facts.mfa.verdict), ("not-a-real-token-of-a-tool", Mfa::Unknown));
    assert_eq!(grant.facts.taints, [Taint::Imported]);
    put(&store, 5, &grant_facts(), Expect::Generation(1)).await;
    let found = lab.found(&store, 1).await;
    assert_eq!((found.value.as_str(), found.content_type.as_str()), (token(5).expose(), record::PLAIN_TYPE));
    assert_eq!(store.tenants(&app(), None, 10).await.unwrap(), [tenant(1)]);
    // The tool rotates in its turn; this host follows.
    store.vault.set("RefreshToken", &new).await.unwrap();
    assert_eq!(token_of(&store).await, "not-a-real-token-of-a-tool");
    // And it holds one grant: another partner's is refused, and does not take it away.
    put(&store, 6, &grant_facts(), Expect::Generation(3)).await;
    let refused = store.put_grant(&grant_key(2), &token(1), &grant_facts(), Expect::Absent).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConfigInvalid);
    assert!(!store.remove_grant(&grant_key(2)).await.unwrap());
    assert!(store.grant(&grant_key(2)).await.unwrap().is_none());
    assert_eq!(token_of(&store).await, token(6).expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_version_is_followed_to_the_latest_and_is_what_is_left_when_that_is_disabled() {
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&Host { secret: Some("one".to_owned()), ..host });
    put(&store, 1, &grant_facts(), Expect::Absent).await;
    let first = lab.found(&store, 1).await.version;
    put(&store, 2, &dead_facts(), Expect::Generation(1)).await;
    let pinned = lab.store(&Host { secret: Some(format!("one/{first}?api-version=7.4")), ..Host::new() });
    assert_eq!(token_of(&pinned).await, token(2).expose());
    let latest = lab.found(&store, 1).await.version;
    let enable = |version: String, enabled: bool| {
        let (store, vault) = (&store, &store.vault);
        async move {
            let _ = store;
            if enabled { vault.enable_for_tests("one", &version).await } else { vault.disable("one", &version).await }
        }
    };
    enable(first, true).await.unwrap();
    enable(latest, false).await.unwrap();
    assert_eq!(token_of(&pinned).await, token(1).expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_beside_the_store_is_sealed_with_this_hosts_key() {
    let (lab, host) = (Lab::new(), Host::new());
    let sealed = lab.store(&host).seal_beside("a label", b"not-a-real-key").await.unwrap().unwrap();
    let opened = lab.store(&host).open_beside("a label", &sealed).await.unwrap().unwrap();
    assert_eq!(opened.as_slice(), b"not-a-real-key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_vault_gets_no_token() {
    for challenge in [
        json!({ "authority": "https://login.evil.example" }),
        json!({ "resource": "https://evil.example" }),
        json!({ "resource": "https://evil.example", "by_scope": true }),
    ] {
        let (lab, host) = (Lab::new(), Host::new());
        lab.told(json!({ "challenge": challenge })).await;
        let error = lab.store(&host).grant(&grant_key(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostNotAllowed, "{challenge}");
    }
    let (lab, host) = (Lab::new(), Host::new());
    let store = lab.store(&host);
    for number in 0..26 {
        store
            .vault
            .set(&format!("s-{number}"), &New { value: "x", content_type: "", tags: [].into(), ends: None })
            .await
            .unwrap();
    }
    lab.told(json!({ "next_link_host": "evil.example" })).await;
    assert_eq!(store.tenants(&app(), None, 10).await.unwrap_err().kind(), ErrorKind::HostNotAllowed);
}
