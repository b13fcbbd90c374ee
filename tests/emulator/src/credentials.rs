//! The credentials of the app registrations: secrets, certificates, and the identity providers they trust.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    certificates::{Certificate, hexadecimal},
    cloud::Cloud,
    samples,
    state::{Urls, rfc3339},
};

/// All credentials, by client id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials(HashMap<String, OfApp>);

/// Those of one app.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfApp {
    pub(crate) passwords: Vec<Password>,
    pub(crate) keys: Vec<Key>,
    pub(crate) federated: Vec<Federated>,
}

/// A client secret.
#[derive(Clone, Debug)]
pub(crate) struct Password {
    pub(crate) key_id: String,
    pub(crate) name: Option<String>,
    pub(crate) secret: String,
    /// Unix seconds.
    pub(crate) starts: i64,
    /// Unix seconds.
    pub(crate) ends: i64,
    /// How often it is still refused as unknown, because not every server has heard of it.
    pub(crate) unheard: u32,
}

/// A certificate.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) key_id: String,
    pub(crate) name: Option<String>,
    pub(crate) certificate: Certificate,
    /// As in [`Password`].
    pub(crate) unheard: u32,
}

/// An identity provider whose word is taken for the app's own.
#[derive(Clone, Debug)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

/// When the sample secrets end: no test's clock gets there.
const NEVER: i64 = 10_413_792_000;

impl Password {
    pub(crate) fn new(secret: String, starts: i64, ends: i64) -> Self {
        Self { key_id: uuid::Uuid::new_v4().to_string(), name: None, secret, starts, ends, unheard: 0 }
    }
}

impl Key {
    pub(crate) fn new(certificate: Certificate, name: Option<String>) -> Self {
        Self { key_id: uuid::Uuid::new_v4().to_string(), name, certificate, unheard: 0 }
    }
}

impl Credentials {
    /// Those of the sample apps, with the certificates that were made at the start: (client id, certificate).
    pub(crate) fn samples(urls: &Urls, cloud: Cloud, certificates: &[(String, Certificate)]) -> Self {
        let mut all = Self::default();
        for app in samples::apps().into_iter().filter(|app| !app.public) {
            let of_app = OfApp {
                passwords: app.client_secret.iter().map(|secret| Password::new(secret.clone(), 0, NEVER)).collect(),
                keys: certificates
                    .iter()
                    .filter(|(client_id, _)| *client_id == app.client_id)
                    .map(|(_, certificate)| Key::new(certificate.clone(), Some("sample".to_owned())))
                    .collect(),
                federated: vec![samples::federated(urls, cloud, &app.profile)],
            };
            all.0.insert(app.client_id, of_app);
        }
        all
    }

    /// What can be shown of them: no secret.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by_key(|(client_id, _)| *client_id);
        rows.into_iter()
            .map(|(client_id, of_app)| {
                let secrets: Vec<_> = of_app
                    .passwords
                    .iter()
                    .map(|password| {
                        json!({
                            "key_id": password.key_id,
                            "name": password.name,
                            "starts_on": rfc3339(password.starts),
                            "expires_on": rfc3339(password.ends),
                        })
                    })
                    .collect();
                let certificates: Vec<_> = of_app
                    .keys
                    .iter()
                    .map(|key| {
                        json!({
                            "key_id": key.key_id,
                            "name": key.name,
                            "thumbprint_sha256": hexadecimal(&key.certificate.sha256),
                            "expires_on": rfc3339(key.certificate.ends),
                        })
                    })
                    .collect();
                json!({ "client_id": client_id, "secrets": secrets, "certificates": certificates })
            })
            .collect()
    }

    /// Those of an app; none for one that has none.
    pub(crate) fn of(&self, client_id: &str) -> Option<&OfApp> {
        self.0.get(client_id)
    }

    pub(crate) fn of_mut(&mut self, client_id: &str) -> &mut OfApp {
        self.0.entry(client_id.to_owned()).or_default()
    }
}

impl OfApp {
    /// The certificate that a header names by thumbprint or id.
    pub(crate) fn key_mut(&mut self, is_named: impl Fn(&Key) -> bool) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| is_named(key))
    }
}
