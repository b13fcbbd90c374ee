//! What is left for those who ask later: what was done, when, and how it ended. No secret is in it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Incident, Step};
use crate::app::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::store::private_file;

/// What people get wrong about stolen refresh tokens.
pub const WHAT_TO_KNOW: [&str; 3] = [
    "a reset of the account's password does not end the refresh tokens that this app, a confidential client, was given: only revoking the account's sign-in \
     sessions does",
    "a refresh token that was rotated lives on: every older copy is honoured until it ends or the account's sessions are revoked",
    "an access token that was handed out before is honoured until it ends, up to 90 minutes, and up to 24 hours where a service is told of revocations",
];

impl Incident {
    /// As the document that all faces share. `with_links`: the consent links, which are for the partners only.
    pub fn to_document(&self, with_links: bool) -> Value {
        let consents = self.consents.iter().map(|again| {
            json!({
                "partner": again.partner.to_string(),
                "name": again.name,
                "command": format!("partnersam consent {}", again.name),
                "link": again.link.as_ref().filter(|_| with_links),
            })
        });
        json!({
            "schema_version": 1,
            "dry_run": false,
            "incident": self.id.to_string(),
            "began": self.began.to_string(),
            "settled": self.is_settled(),
            "steps": self.steps.iter().map(super::StepOutcome::to_document).collect::<Vec<_>>(),
            "consents": consents.collect::<Vec<_>>(),
            "know": WHAT_TO_KNOW,
            "evidence": self.evidence.display().to_string(),
        })
    }

    /// Replaces what an earlier run left under that name, whole.
    pub(super) fn leave_evidence(&self, inner: &Arc<Inner>) -> Result<()> {
        let mut document = self.to_document(false);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("authority".to_owned(), json!(inner.key.authority));
            fields.insert("client_id".to_owned(), json!(inner.key.client_id.as_str()));
            fields.insert("written".to_owned(), json!(inner.clock.now().to_string()));
        }
        let text = serde_json::to_vec_pretty(&document)
            .map_err(|_| Error::new(ErrorKind::Internal, "incident", "the evidence could not be written"))?;
        let path = &self.evidence;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            private_file::folder(folder)?;
        }
        refuse_what_is_no_file(path)?;
        private_file::replace(path, &text)
    }
}

fn refuse_what_is_no_file(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(facts) if !facts.is_file() => {
            Err(Error::new(ErrorKind::InvalidArgument, "incident", "the evidence would go into what is no file")
                .with_context("path", path.display()))
        }
        _ => Ok(()),
    }
}

/// The document of a plan.
pub fn plan_document(steps: &[Step]) -> Value {
    json!({
        "schema_version": 1,
        "dry_run": true,
        "steps": steps.iter().map(Step::to_document).collect::<Vec<_>>(),
        "know": WHAT_TO_KNOW,
    })
}
