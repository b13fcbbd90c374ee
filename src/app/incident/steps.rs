//! The steps, in their order, and what each means for people.

use serde_json::{Value, json};

use super::rotation::Kind;
use super::{IncidentRequest, RevokeOptions, Target};
use crate::clock::UnixTime;
use crate::error::Error;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Takes the tokens that the next steps need, while there are any.
    Tokens,
    /// Withdraws what the app is consented to at the partner's customers.
    Consents,
    /// Ends the sign-ins of the account that consented.
    Sessions,
    /// Adds a new secret or certificate to the app registration and stores it beside the one in use.
    CredentialAdd,
    /// Proves the new one by a token request.
    CredentialProve,
    /// Puts the new one in the place of the old one.
    CredentialSwitch,
    /// Removes the old one from the app registration.
    CredentialRemove,
    /// Removes the grant and its key from the store.
    Grant,
}

impl Action {
    /// The word used in JSON and in the audit record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Consents => "consents",
            Self::Sessions => "sessions",
            Self::CredentialAdd => "credential-add",
            Self::CredentialProve => "credential-prove",
            Self::CredentialSwitch => "credential-switch",
            Self::CredentialRemove => "credential-remove",
            Self::Grant => "grant",
        }
    }

    /// What it needs to have been done.
    fn needs(self) -> Option<Self> {
        match self {
            Self::CredentialProve => Some(Self::CredentialAdd),
            Self::CredentialSwitch => Some(Self::CredentialProve),
            Self::CredentialRemove => Some(Self::CredentialSwitch),
            _ => None,
        }
    }
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// What it does.
    pub action: Action,
    pub(super) target: Option<Target>,
    pub(super) with_partner_center: bool,
    kind: Kind,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepState {
    /// It was done.
    Done,
    /// An earlier run that was cut short did it.
    DoneBefore,
    /// It could not be done here: a person must.
    ByHand,
    /// It could not be done now: the same call does it later.
    Postponed,
}

impl StepState {
    /// The word used in JSON: `done`, `done_before`, `by_hand` or `postponed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneBefore => "done_before",
            Self::ByHand => "by_hand",
            Self::Postponed => "postponed",
        }
    }
}

/// A step and its end.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// The step.
    pub step: Step,
    /// How it ended.
    pub state: StepState,
    /// What came of it, in words.
    pub note: String,
    /// What a person must do, where that is so.
    pub by_hand: Option<String>,
    /// Why it failed.
    pub error: Option<Error>,
    /// When.
    pub on: UnixTime,
    /// Ids by which the service's log has the requests.
    pub correlation_ids: Vec<String>,
}

/// The steps of an incident.
pub(super) fn plan(targets: &[Target], request: &IncidentRequest, kind: Kind) -> Vec<Step> {
    let mut steps = Steps(Vec::new(), kind);
    for target in targets {
        let options = RevokeOptions { everywhere: true, customer_consents: request.customer_consents };
        steps.at_service(target, options);
    }
    if !request.keep_credential {
        for action in
            [Action::CredentialAdd, Action::CredentialProve, Action::CredentialSwitch, Action::CredentialRemove]
        {
            steps.push(action, None, false);
        }
    }
    for target in targets {
        steps.push(Action::Grant, Some(target), false);
    }
    steps.0
}

/// The steps of a revocation.
pub(super) fn plan_revocation(target: &Target, options: RevokeOptions) -> Vec<Step> {
    let mut steps = Steps(Vec::new(), Kind::Elsewhere);
    steps.at_service(target, options);
    steps.push(Action::Grant, Some(target), false);
    steps.0
}

struct Steps(Vec<Step>, Kind);

impl Steps {
    fn at_service(&mut self, target: &Target, options: RevokeOptions) {
        let RevokeOptions { everywhere, customer_consents } = options;
        if everywhere || customer_consents {
            self.push(Action::Tokens, Some(target), customer_consents);
        }
        if customer_consents {
            self.push(Action::Consents, Some(target), true);
        }
        if everywhere {
            self.push(Action::Sessions, Some(target), false);
        }
    }

    fn push(&mut self, action: Action, target: Option<&Target>, with_partner_center: bool) {
        let (number, kind) = (self.0.len() + 1, self.1);
        self.0.push(Step { number, action, target: target.cloned(), with_partner_center, kind });
    }
}

impl Step {
    /// The partner's tenant id; none for what concerns the app.
    pub fn partner(&self) -> Option<String> {
        self.target.as_ref().map(|target| target.partner.to_string())
    }

    /// What it does, for people.
    pub fn what(&self) -> String {
        let (name, account) = match &self.target {
            Some(target) if target.user_name.is_empty() => (target.name.as_str(), "the account that consented"),
            Some(target) => (target.name.as_str(), target.user_name.as_str()),
            None => ("", ""),
        };
        let (what, by_hand) = match self.kind {
            Kind::Secret => ("secret", ""),
            Kind::Certificate => ("certificate", ""),
            Kind::Elsewhere => ("credential", " (by hand: it is not in a file)"),
        };
        match self.action {
            Action::Tokens => format!("{name}: take the tokens that the next steps need"),
            Action::Consents => format!("{name}: withdraw what the app is consented to at each customer"),
            Action::Sessions => {
                format!("{name}: end the sign-ins of {account} at the service, and with them every refresh token")
            }
            Action::CredentialAdd => format!("app: add a new {what} to the registration and store it{by_hand}"),
            Action::CredentialProve => format!("app: prove the new {what} by a token request{by_hand}"),
            Action::CredentialSwitch => format!("app: put the new {what} in the place of the old one{by_hand}"),
            Action::CredentialRemove => format!("app: remove the old {what} from the registration{by_hand}"),
            Action::Grant => format!("{name}: remove the grant and its key from the store"),
        }
    }

    /// What a person does where it could not be done.
    fn by_hand(&self) -> String {
        let (name, account) = match &self.target {
            Some(target) if target.user_name.is_empty() => {
                (target.name.clone(), "the account that consented".to_owned())
            }
            Some(target) => (target.name.clone(), format!("{} (object id {})", target.user_name, target.user_oid)),
            None => Default::default(),
        };
        match self.action {
            Action::Tokens => format!("{name}: the steps that need a token are to be done by hand, see there"),
            Action::Consents => format!(
                "{name}: an administrator of each customer removes the app under Enterprise applications, or the partner consents anew and \
                 `partnersam revoke {name} --customer-consents` does it"
            ),
            Action::Sessions => format!(
                "{name}: an administrator of that tenant opens Users in the Entra admin center, chooses {account} and then Revoke sessions; \
                 resetting the password does not end the refresh tokens"
            ),
            Action::CredentialAdd | Action::CredentialProve | Action::CredentialSwitch
                if self.kind == Kind::Elsewhere =>
            {
                "app: make a new key, secret or federation where it is kept, add it to the app registration, configure it, see that `partnersam doctor` takes \
                 it, then remove the old one"
                    .to_owned()
            }
            Action::CredentialAdd | Action::CredentialProve | Action::CredentialSwitch => {
                "app: add a new secret or certificate to the app registration, configure it, see that `partnersam doctor` takes it, then remove the old one"
                    .to_owned()
            }
            Action::CredentialRemove => "app: remove the old secret or certificate from the app registration".to_owned(),
            Action::Grant => format!("{name}: remove the grant from the store by `partnersam revoke {name}`"),
        }
    }

    /// By which an interrupted run is gone on with.
    pub(super) fn id(&self) -> String {
        match self.partner() {
            Some(partner) => format!("{} {partner}", self.action.as_str()),
            None => self.action.as_str().to_owned(),
        }
    }

    /// Why it is not its turn after these, if it is not.
    pub(super) fn waits_for(&self, ends: &[StepOutcome]) -> Option<Waiting> {
        let of_partner = |end: &&StepOutcome| self.target.is_some() && end.step.partner() == self.partner();
        let before = |action| ends.iter().find(|end| end.step.action == action);
        if self.action == Action::Grant {
            // What could be done with it later would be lost.
            let postponed = ends.iter().filter(of_partner).find(|end| end.state == StepState::Postponed);
            return postponed.map(|end| Waiting { state: StepState::Postponed, error: end.error.clone() });
        }
        let needed = before(self.action.needs()?)?;
        let is_open = matches!(needed.state, StepState::Postponed | StepState::ByHand);
        is_open.then(|| Waiting { state: needed.state, error: needed.error.clone() })
    }
}

/// What keeps a step from being taken.
pub(super) struct Waiting {
    state: StepState,
    error: Option<Error>,
}

impl Waiting {
    pub(super) fn outcome(self, step: Step, now: UnixTime) -> StepOutcome {
        let by_hand = (self.state == StepState::ByHand).then(|| step.by_hand());
        let note = "not taken, for an earlier step is open".to_owned();
        StepOutcome { step, state: self.state, note, by_hand, error: self.error, on: now, correlation_ids: Vec::new() }
    }
}

impl StepOutcome {
    pub(super) fn done(step: Step, note: String, correlation_ids: Vec<String>, on: UnixTime) -> Self {
        Self { step, state: StepState::Done, note, by_hand: None, error: None, on, correlation_ids }
    }

    pub(super) fn failed(step: Step, state: StepState, error: Error, on: UnixTime) -> Self {
        let by_hand = (state == StepState::ByHand).then(|| step.by_hand());
        let correlation_ids = error.correlation_id().map(str::to_owned).into_iter().collect();
        Self { step, state, note: error.message().to_owned(), by_hand, error: Some(error), on, correlation_ids }
    }

    /// As the document that all faces share.
    pub fn to_document(&self) -> Value {
        let mut document = self.step.to_document();
        if let Some(fields) = document.as_object_mut() {
            fields.insert("outcome".to_owned(), json!(self.state.as_str()));
            fields.insert("note".to_owned(), json!(self.note));
            fields.insert("by_hand".to_owned(), json!(self.by_hand));
            fields.insert("on".to_owned(), json!(self.on.to_string()));
            fields.insert("correlation_ids".to_owned(), json!(self.correlation_ids));
            fields.insert("error".to_owned(), json!(self.error.as_ref().map(Error::to_document)));
        }
        document
    }
}

impl Step {
    /// As the document that all faces share.
    pub fn to_document(&self) -> Value {
        json!({
            "number": self.number,
            "step": self.action.as_str(),
            "partner": self.partner(),
            "name": self.target.as_ref().map(|target| &target.name),
            "what": self.what(),
            "outcome": "planned",
        })
    }
}
