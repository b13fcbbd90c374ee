//! What stands between a partner and a customer: the relationship, roles, Conditional Access, and failures on request.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What holds for customers and users where it is not as usual.
#[derive(Debug, Default)]
pub(crate) struct Relationships {
    customers: HashMap<String, Relationship>,
    /// User principal names, in lower case.
    no_agents: HashSet<String>,
}

/// One partner's customer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Relationship {
    /// Whether there is any.
    pub(crate) relationship: bool,
    /// Whether the partner's users have a GDAP role that may consent.
    pub(crate) gdap_role: bool,
    /// Whether Conditional Access of the customer blocks the partner.
    pub(crate) blocked: bool,
    pub(crate) fail: Option<Failure>,
}

impl Default for Relationship {
    fn default() -> Self {
        Self { relationship: true, gdap_role: true, blocked: false, fail: None }
    }
}

/// Partner Center's answer for one customer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    #[serde(default = "internal")]
    pub(crate) status: u16,
    /// Partner Center's number.
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// For so many requests; without it until it is taken back.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

fn internal() -> u16 {
    500
}

/// What is to be different; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Change {
    pub(crate) relationship: Option<bool>,
    pub(crate) gdap_role: Option<bool>,
    pub(crate) blocked: Option<bool>,
    /// Twice an option: `null` takes it back, absence leaves it.
    #[serde(default, deserialize_with = "crate::scenario::present")]
    pub(crate) fail: Option<Option<Failure>>,
    /// What nobody knows.
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl Change {
    /// # Errors
    ///
    /// One sentence about a value that makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(name) = self.other.keys().next() {
            return Err(format!("not known of a customer: {name}"));
        }
        match &self.fail {
            Some(Some(failure)) if !(400..=599).contains(&failure.status) => {
                Err(format!("status must be 400 to 599: {}", failure.status))
            }
            _ => Ok(()),
        }
    }
}

impl Relationships {
    pub(crate) fn of(&self, customer: &str) -> Relationship {
        self.customers.get(customer).cloned().unwrap_or_default()
    }

    pub(crate) fn change(&mut self, customer: &str, change: &Change) {
        let relationship = self.customers.entry(customer.to_owned()).or_default();
        let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
        set(&mut relationship.relationship, change.relationship);
        set(&mut relationship.gdap_role, change.gdap_role);
        set(&mut relationship.blocked, change.blocked);
        if let Some(fail) = &change.fail {
            relationship.fail.clone_from(fail);
        }
    }

    /// Takes one failure, if any is left.
    pub(crate) fn take_failure(&mut self, customer: &str) -> Option<Failure> {
        let fail = &mut self.customers.get_mut(customer)?.fail;
        let taken = fail.clone()?;
        if let Some(times) = fail.as_mut().and_then(|failure| failure.times.as_mut()) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                *fail = None;
            }
        }
        Some(taken)
    }

    pub(crate) fn set_agent(&mut self, upn: &str, member: bool) {
        let upn = upn.to_ascii_lowercase();
        if member {
            self.no_agents.remove(&upn);
        } else {
            self.no_agents.insert(upn);
        }
    }

    /// Whether a partner's user is in the group AdminAgents; all are unless told otherwise.
    pub(crate) fn is_agent(&self, upn: &str) -> bool {
        !self.no_agents.contains(&upn.to_ascii_lowercase())
    }
}
