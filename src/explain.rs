//! Explains a code, or a whole error text that somebody pasted: what it means, who must act, and the exact next command.
//!
//! Pure, and needs no app: [`explain`] reads a text and looks codes up in the table of [`remedy`](crate::remedy) and among the kinds of error. The
//! same document ([`to_json`]) is what the command line, Python and C give.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Actor, ErrorKind};
use crate::protocol::outside_text;
use crate::remedy::{self, Class, Remedy, Source, Step};

/// What one code means. Every field is always there; unknown ones are null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The code as people search for it: `AADSTS50076`, `900421`, `SecretNotFound`, `ConsentRequired`. Empty where the text has ids but no code.
    pub code: String,
    /// Whose code it is: `entra`, `partner_center`, `key_vault` or `partnersam`.
    pub source: &'static str,
    /// Whether the table has it. Where not, the rest is told by the class of error around it, if there is one.
    pub known: bool,
    /// What kind of remedy helps; see [`Class`].
    pub class: Option<&'static str>,
    /// The kind of error that partnersam shows it as, for example `MfaRequired`.
    pub kind: Option<&'static str>,
    /// That kind's frozen number.
    pub number: Option<u16>,
    /// What it means, in one sentence.
    pub meaning: String,
    /// Who must act, as a word: see [`Actor::as_str`].
    pub actor: &'static str,
    /// Who must act, in words.
    pub who: &'static str,
    /// Whether the same call can succeed later: `never`, `after` or `user_action`.
    pub retry: Option<&'static str>,
    /// What to do.
    pub advice: String,
    /// The exact next command. `PARTNER`, `CUSTOMER` and `AUDIENCE` stand for what the failed call was about.
    pub command: Option<String>,
    /// Who must act and what to do in one sentence, as [`Error::hint`](crate::Error::hint) has it.
    pub hint: String,
    /// What helps instead where the token was for a customer's tenant.
    pub in_customer_tenant: Option<CustomerStep>,
    /// Where the service explains it; for partnersam's own kinds the same as `help`.
    pub link: String,
    /// Where partnersam explains it.
    pub help: Option<String>,
    /// What the service said, its first line.
    pub text: Option<String>,
    /// The OAuth error in the text, for example `invalid_grant`.
    pub error: Option<String>,
    /// The finer class of the error in the text, for example `token_expired`.
    pub suberror: Option<String>,
    /// Id of the request at the service; a support ticket asks for it.
    pub trace_id: Option<String>,
    /// Id that ties several requests together; an administrator finds the sign-in by it.
    pub correlation_id: Option<String>,
    /// When the service answered, as it wrote it.
    pub timestamp: Option<String>,
}

/// What helps in a customer's tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CustomerStep {
    /// Who must act, as a word.
    pub actor: &'static str,
    /// Who must act, in words.
    pub who: &'static str,
    /// What to do.
    pub advice: String,
    /// The exact next command.
    pub command: String,
    /// Who must act and what to do in one sentence.
    pub hint: String,
}

/// Explains `text`: a number (`50076`, `AADSTS50076`, `900421`, `2001`), a name (`SecretNotFound`, `ConsentRequired`, `invalid_grant`,
/// `consent-required`), several of them, or a whole error text, JSON or not. Of a text of more than 64 KiB the first half and the last are read: what
/// failed stands at the end of a log.
///
/// One explanation for each code, [`MOST_CODES`] at most, in the order they were found; several where several services share a number. A number that no table knows keeps its
/// text and ids and gets a link. Empty where nothing in the text is a code or an id.
pub fn explain(text: &str) -> Vec<Explanation> {
    explain_counted(text).explanations
}

/// What a text was explained by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// One for each code: the first [`MOST_CODES`].
    pub explanations: Vec<Explanation>,
    /// Whether the text has more codes than that.
    pub more: bool,
}

/// [`explain`], and whether that is all.
pub fn explain_counted(text: &str) -> Explained {
    let text = ends_of(text);
    let text = text.trim();
    let mut found = Found::default();
    if is_one_word(text) {
        found.word(text);
    } else if let Some(listed) = Found::list(text) {
        found = listed;
    } else {
        if let Some(value) = json_in(text) {
            found.json(&value, 0);
        }
        found.text(text);
    }
    let more = found.has_more;
    Explained { explanations: found.explanations(), more }
}

/// [`explain`] as the JSON document that every language gives: `{"schema_version": 1, "explanations": [...], "more": false}`; `more` says that the text has
/// more codes than were explained.
pub fn to_json(text: &str) -> String {
    #[derive(Serialize)]
    struct Document {
        schema_version: u32,
        explanations: Vec<Explanation>,
        more: bool,
    }
    let Explained { explanations, more } = explain_counted(text);
    // Strings, numbers and lists cannot fail to serialize.
    serde_json::to_string(&Document { schema_version: 1, explanations, more }).unwrap_or_default()
}

const MOST_TEXT: usize = 64 << 10;
/// How many codes of a text are explained: the first.
pub const MOST_CODES: usize = 16;

/// All of the text, or its beginning and its end where it is too long.
fn ends_of(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST_TEXT {
        return Cow::Borrowed(text);
    }
    let (mut end, mut begin) = (MOST_TEXT / 2, text.len() - MOST_TEXT / 2);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    Cow::Owned(format!("{}\n{}", text.get(..end).unwrap_or_default(), text.get(begin..).unwrap_or_default()))
}

fn is_one_word(text: &str) -> bool {
    const LONGEST: usize = 64;
    text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'#'))
}

/// The JSON object in the text: all of it, or what stands between its outermost braces.
fn json_in(text: &str) -> Option<Value> {
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    serde_json::from_str(text.get(from..=to)?).ok()
}

/// A code that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Code {
    Row(&'static Remedy),
    Kind(ErrorKind),
    /// An AADSTS number, or what is most likely one, that the table does not have.
    Number(u32),
}

#[derive(Debug, Default)]
struct Found {
    codes: Vec<Code>,
    /// Whether a code was left out for want of room.
    has_more: bool,
    error: Option<String>,
    suberror: Option<String>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
    timestamp: Option<String>,
    said: Option<String>,
}

impl Found {
    fn add(&mut self, code: Code) {
        if self.codes.contains(&code) {
            return;
        }
        if self.codes.len() < MOST_CODES {
            self.codes.push(code);
        } else {
            self.has_more = true;
        }
    }

    /// Several codes and nothing else.
    fn list(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for word in text.split([' ', '\t', '\r', '\n', ',', ';']).filter(|word| !word.is_empty()) {
            let mut alone = Self::default();
            if is_one_word(word) {
                alone.word(word);
            }
            if alone.codes.is_empty() {
                return None;
            }
            for code in alone.codes {
                found.add(code);
            }
        }
        Some(found)
    }

    /// A code alone.
    fn word(&mut self, word: &str) {
        let word = word.rsplit_once('#').map_or(word, |(_, anchor)| anchor);
        if let Some(number) = strip_prefix_ignoring_case(word, "AADSTS").and_then(|number| number.parse().ok()) {
            return self.aadsts(number);
        }
        for row in remedy::all().filter(|row| row.code.eq_ignore_ascii_case(word)) {
            self.add(Code::Row(row));
        }
        let kind = ErrorKind::ALL.iter().find(|kind| {
            kind.id().eq_ignore_ascii_case(word) || kind.anchor() == word || Ok(kind.number()) == word.parse()
        });
        if let Some(kind) = kind {
            self.add(Code::Kind(*kind));
        }
        // Entra's numbers have at least four digits; fewer are statuses and the like.
        if let Ok(number) = word.parse()
            && number >= 1000
            && self.codes.is_empty()
        {
            self.add(Code::Number(number));
        }
    }

    fn aadsts(&mut self, number: u32) {
        self.add(remedy::entra(number).map_or(Code::Number(number), Code::Row));
    }

    /// A document of Entra, of Partner Center, of Key Vault, or of partnersam.
    fn json(&mut self, value: &Value, depth: u8) {
        const DEEPEST: u8 = 8;
        let Value::Object(fields) = value else { return };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let keep = |place: &mut Option<String>, text: Option<&str>| {
            if place.is_none() {
                *place = text.map(outside_text::name);
            }
        };
        keep(&mut self.error, text("error").or(text("entra_error")).filter(|error| is_snake(error)));
        keep(&mut self.suberror, text("suberror"));
        keep(&mut self.trace_id, text("trace_id"));
        keep(&mut self.correlation_id, text("correlation_id"));
        keep(&mut self.timestamp, text("timestamp"));
        for list in ["error_codes", "entra_codes"] {
            for number in fields.get(list).and_then(Value::as_array).into_iter().flatten() {
                let listed = match number {
                    Value::String(text) => text.parse().ok(),
                    other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
                };
                if let Some(number) = listed {
                    self.aadsts(number);
                }
            }
        }
        for name in ["code", "service_code"] {
            match fields.get(name) {
                Some(Value::String(code)) => self.service_code(code),
                Some(Value::Number(code)) => self.service_code(&code.to_string()),
                _ => {}
            }
        }
        if let Some(kind) = text("id").and_then(kind_by_id) {
            self.add(Code::Kind(kind));
        }
        if self.said.is_none() {
            let said = text("error_description").or(text("description")).or(text("message"));
            self.said = said.map(outside_text::sentence);
        }
        if depth < DEEPEST {
            // Key Vault's inner error says it more exactly than the outer one, and both are kept.
            for inner in ["innererror", "error"] {
                if let Some(value) = fields.get(inner) {
                    self.json(value, depth + 1);
                }
            }
        }
    }

    /// The code of a service's JSON: Partner Center's number, Key Vault's name, or `AADSTS` and a number.
    fn service_code(&mut self, code: &str) {
        if let Some(number) = strip_prefix_ignoring_case(code, "AADSTS").and_then(|number| number.parse().ok()) {
            return self.aadsts(number);
        }
        let row = [Source::PartnerCenter, Source::KeyVault].into_iter().find_map(|source| remedy::lookup(source, code));
        if let Some(row) = row {
            self.add(Code::Row(row));
        }
    }

    /// Text of any kind: log lines, an exception's text, a page of the portal, what the command line printed.
    fn text(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        for (at, _) in lower.match_indices("aadsts") {
            let digits = digits_at(&lower, at + "aadsts".len());
            if let Ok(number) = digits.parse() {
                self.aadsts(number);
                if self.said.is_none() {
                    self.said = text.get(at..).map(said_in);
                }
            }
        }
        self.words(text, &lower);
        let keep = |place: &mut Option<String>, labels: &[&str], fits: fn(char) -> bool| {
            if place.is_none() {
                *place = labels.iter().find_map(|label| after(text, &lower, label, fits)).map(outside_text::name);
            }
        };
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_time = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | ' ' | 'T' | 'Z' | '+');
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        keep(&mut self.trace_id, &["trace id", "trace_id", "traceid", "trace-id", "request id", "requestid"], is_id);
        keep(&mut self.correlation_id, &["correlation id", "correlation_id", "correlationid", "correlation-id"], is_id);
        keep(&mut self.timestamp, &["timestamp"], is_time);
        keep(&mut self.suberror, &["suberror"], is_name);
        if let (None, None, Some(code)) = (&self.trace_id, &self.correlation_id, lower.find("aadsts")) {
            self.unlabelled(text.get(code..).unwrap_or_default());
        }
    }

    /// The ids behind a code whose labels are of another language: Entra writes its own first, then the one that ties requests together, then the time.
    fn unlabelled(&mut self, text: &str) {
        let ids: Vec<(usize, &str)> = words_of(text, |c| c.is_ascii_alphanumeric() || c == '-')
            .into_iter()
            .filter(|(at, word)| {
                let before = text.get(..*at).unwrap_or_default().trim_end();
                word.len() == 36 && uuid::Uuid::try_parse(word).is_ok() && before.ends_with([':', '：'])
            })
            .collect();
        let [(_, trace_id), (at, correlation_id), ..] = ids.as_slice() else { return };
        self.trace_id = Some((*trace_id).to_owned());
        self.correlation_id = Some((*correlation_id).to_owned());
        let rest = text.get(at + correlation_id.len()..).unwrap_or_default();
        let is_time = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | ' ' | 'T' | 'Z' | '+');
        let time = rest.split_once([':', '：']).map(|(_, time)| time.trim_start());
        let time = time.and_then(|time| time.get(..time.find(|c| !is_time(c)).unwrap_or(time.len())));
        if let Some(time) = time.map(str::trim).filter(|time| time.len() >= "2022-09-08".len()) {
            self.timestamp.get_or_insert_with(|| time.to_owned());
        }
    }

    /// Names and numbers that stand in a text as words of their own.
    fn words(&mut self, text: &str, lower: &str) {
        const SHORTEST_NUMBER: usize = 5;
        let mentions_vault = lower.contains("vault");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        for (at, word) in words_of(text, is_word) {
            if word.bytes().all(|b| b.is_ascii_digit()) {
                // A number is a code where the text says so: it may be a count or a port, and a short one a status.
                if word.len() < SHORTEST_NUMBER {
                    continue;
                }
                let before = lower.get(..at).unwrap_or_default();
                let before = before.trim_end_matches(|c: char| c.is_ascii_whitespace() || "\"':=#(".contains(c));
                if ["code", "error", "codes"].iter().any(|label| before.ends_with(label)) {
                    let entra = word.parse().ok().and_then(remedy::entra);
                    let row = remedy::lookup(Source::PartnerCenter, word).or(entra);
                    if let Some(row) = row {
                        self.add(Code::Row(row));
                    }
                }
            } else if let Some(row) = remedy::all().find(|row| row.code == word) {
                match row.source {
                    // Some of these are words of every service.
                    Source::KeyVault if is_compound(word) || mentions_vault => self.add(Code::Row(row)),
                    Source::KeyVault => {}
                    // Told by the numbers, where there are some; a word without an underscore is everyday language.
                    Source::Entra if word.contains('_') => {
                        let place = if remedy::is_suberror(row) { &mut self.suberror } else { &mut self.error };
                        place.get_or_insert_with(|| word.to_owned());
                    }
                    _ => {}
                }
            } else if let Some(kind) = kind_by_id(word).filter(|_| is_compound(word)) {
                self.add(Code::Kind(kind));
            } else if let Some(kind) = ErrorKind::ALL.iter().find(|kind| kind.anchor() == word)
                && lower.get(..at).is_some_and(|before| before.ends_with('#'))
            {
                self.add(Code::Kind(*kind));
            }
        }
    }

    fn explanations(self) -> Vec<Explanation> {
        // The class of error around a number, for those that the table does not have.
        let around = self.suberror.as_deref().into_iter().chain(self.error.as_deref());
        let around = around.filter_map(|word| remedy::lookup(Source::Entra, word)).next();
        let mut codes = self.codes.clone();
        // What a number says, the words around it do not say again.
        let shown: Vec<ErrorKind> =
            codes.iter().filter_map(|code| if let Code::Row(row) = code { Some(row.kind) } else { None }).collect();
        codes.retain(|code| !matches!(code, Code::Kind(kind) if shown.contains(kind)));
        if codes.is_empty()
            && let Some(row) = around
        {
            codes.push(Code::Row(row));
        }
        let mut explanations: Vec<Explanation> = codes
            .into_iter()
            .map(|code| match code {
                Code::Row(row) => of_row(row),
                Code::Kind(kind) => of_kind(kind),
                Code::Number(number) => of_unknown(number, around),
            })
            .collect();
        if explanations.is_empty() && (self.trace_id.is_some() || self.correlation_id.is_some()) {
            explanations.push(of_ids());
        }
        for explanation in &mut explanations {
            explanation.text.clone_from(&self.said);
            explanation.error.clone_from(&self.error);
            explanation.suberror.clone_from(&self.suberror);
            explanation.trace_id.clone_from(&self.trace_id);
            explanation.correlation_id.clone_from(&self.correlation_id);
            explanation.timestamp.clone_from(&self.timestamp);
        }
        explanations
    }
}

fn of_row(row: &Remedy) -> Explanation {
    let step = row.step;
    Explanation {
        code: row.name(),
        source: row.source.as_str(),
        known: true,
        class: Some(row.class.as_str()),
        meaning: row.words.to_owned(),
        command: Some(step.command.to_owned()),
        in_customer_tenant: row.in_customer_tenant.as_ref().map(customer_step),
        link: row.link(),
        ..told(Some(row.kind), step.actor, step.to_string())
    }
}

fn of_kind(kind: ErrorKind) -> Explanation {
    let help = help(kind);
    Explanation {
        code: kind.id().to_owned(),
        source: "partnersam",
        known: true,
        class: Some(Class::of(kind).as_str()),
        meaning: kind.sentence().to_owned(),
        command: command_in(kind.hint()),
        link: help,
        ..told(Some(kind), kind.actor(), kind.hint().to_owned())
    }
}

fn of_unknown(number: u32, around: Option<&Remedy>) -> Explanation {
    let link = remedy::entra_link(number);
    let rest = match around {
        Some(row) => {
            let step = row.step;
            Explanation {
                class: Some(row.class.as_str()),
                meaning: format!("not a number that partnersam knows; around it: {}", row.words),
                command: Some(step.command.to_owned()),
                ..told(Some(row.kind), step.actor, format!("{step}; see {link}"))
            }
        }
        None => Explanation {
            meaning: "not a number that partnersam knows".to_owned(),
            ..told(None, Actor::Caller, format!("read what the service says of it at {link}"))
        },
    };
    Explanation { code: format!("AADSTS{number}"), source: Source::Entra.as_str(), known: false, link, ..rest }
}

fn of_ids() -> Explanation {
    Explanation {
        source: Source::Entra.as_str(),
        known: false,
        meaning: "the text names a request and no code".to_owned(),
        link: remedy::OAUTH_LINK.to_owned(),
        ..told(
            None,
            Actor::PartnerAdministrator,
            "look the correlation id up under Entra ID, Sign-in logs, and read why it was refused".to_owned(),
        )
    }
}

/// What follows from the kind, who acts and the advice; the rest is empty.
fn told(kind: Option<ErrorKind>, actor: Actor, advice: String) -> Explanation {
    Explanation {
        code: String::new(),
        source: "",
        known: false,
        class: None,
        kind: kind.map(ErrorKind::id),
        number: kind.map(ErrorKind::number),
        meaning: String::new(),
        actor: actor.as_str(),
        who: actor.in_words(),
        retry: kind.map(|kind| kind.retry().as_str()),
        hint: hint(actor, &advice),
        advice,
        command: None,
        in_customer_tenant: None,
        link: String::new(),
        help: kind.map(help),
        text: None,
        error: None,
        suberror: None,
        trace_id: None,
        correlation_id: None,
        timestamp: None,
    }
}

fn customer_step(step: &Step) -> CustomerStep {
    let advice = step.to_string();
    CustomerStep {
        actor: step.actor.as_str(),
        who: step.actor.in_words(),
        hint: hint(step.actor, &advice),
        advice,
        command: step.command.to_owned(),
    }
}

fn hint(actor: Actor, advice: &str) -> String {
    format!("{}: {advice}", actor.in_hint())
}

fn help(kind: ErrorKind) -> String {
    format!("TROUBLESHOOTING.md#{}", kind.anchor())
}

/// The first command of ours that an advice names.
fn command_in(advice: &str) -> Option<String> {
    advice.split('`').skip(1).step_by(2).find(|quoted| quoted.starts_with("partnersam ")).map(str::to_owned)
}

fn kind_by_id(id: &str) -> Option<ErrorKind> {
    ErrorKind::ALL.iter().copied().find(|kind| kind.id() == id)
}

/// Whether a name is made of several words, as `SecretNotFound`: `Forbidden` and `Timeout` stand in any text.
fn is_compound(name: &str) -> bool {
    name.bytes().filter(u8::is_ascii_uppercase).count() > 1
}

fn is_snake(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn digits_at(text: &str, at: usize) -> &str {
    // A space in between is what some pages write.
    let rest = text.get(at..).unwrap_or_default().trim_start_matches([' ', ':']);
    rest.get(..rest.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or_default()
}

/// What the service said of a code, without the ids that follow and the tags of a page around it.
fn said_in(text: &str) -> String {
    let is_tag = |at: usize| {
        text.get(at + 1..).is_some_and(|tag| tag.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic()))
    };
    let tag = text.match_indices('<').map(|(at, _)| at).find(|at| is_tag(*at));
    let ids = text.to_ascii_lowercase().find("trace id:");
    let end = tag.into_iter().chain(ids).min().unwrap_or(text.len());
    let said = text.get(..end).unwrap_or_default().trim_end();
    const ENTITIES: [(&str, &str); 5] =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let said = ENTITIES.into_iter().fold(said.to_owned(), |said, (entity, plain)| said.replace(entity, plain));
    outside_text::sentence(&said)
}

/// Runs of word characters, each with where it begins.
fn words_of(text: &str, is_word: impl Fn(char) -> bool) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split(|c| !is_word(c)) {
        if !word.is_empty() {
            words.push((at, word));
        }
        let behind = at + word.len();
        at = behind + text.get(behind..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    words
}

/// What stands behind a label such as `trace id`, as long as its characters fit.
fn after<'a>(text: &'a str, lower: &str, label: &str, fits: fn(char) -> bool) -> Option<&'a str> {
    const SHORTEST: usize = 8;
    lower.match_indices(label).find_map(|(at, _)| {
        let rest = text.get(at + label.len()..)?;
        let is_between = |c: char| c.is_ascii_whitespace() || "\"':=\\".contains(c);
        // Rust's own way to print a field.
        let value = rest.trim_start_matches(is_between).trim_start_matches("Some(").trim_start_matches(is_between);
        // Without anything in between it is the middle of a longer name.
        if value.len() == rest.len() {
            return None;
        }
        let end = value.find(|c| !fits(c)).unwrap_or(value.len());
        value.get(..end).map(str::trim).filter(|value| value.len() >= SHORTEST)
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn codes(text: &str) -> Vec<String> {
        explain(text).into_iter().map(|explanation| explanation.code).collect()
    }

    #[test]
    fn a_code_alone_is_found_in_every_form() {
        for text in ["50076", "AADSTS50076", "aadsts50076", " 50076\n", "AADSTS 50076"] {
            let found = explain(text);
            assert_eq!(found.len(), 1, "{text}");
            let found = &found[0];
            assert_eq!((found.code.as_str(), found.source, found.known), ("AADSTS50076", "entra", true));
            assert_eq!((found.kind, found.number), (Some("MfaRequired"), Some(2003)));
            assert_eq!((found.class, found.actor), (Some("reauth"), "service_account_owner"));
            assert_eq!(found.command.as_deref(), Some("partnersam consent PARTNER"));
            assert!(
                found.hint.starts_with("the owner of the partner's service account: run `partnersam consent PARTNER`")
            );
            assert_eq!(found.link, "https://login.microsoftonline.com/error?code=50076");
            assert_eq!(found.help.as_deref(), Some("TROUBLESHOOTING.md#mfa-required"));
        }
        assert_eq!(codes("900421"), ["900421"]);
        assert_eq!(explain("900421")[0].source, "partner_center");
        assert_eq!(codes("secretnotfound"), ["SecretNotFound"]);
        assert_eq!(codes("invalid_grant"), ["invalid_grant"]);
        for text in
            ["ConsentRequired", "consentrequired", "2001", "consent-required", "TROUBLESHOOTING.md#consent-required"]
        {
            assert_eq!(codes(text), ["ConsentRequired"], "{text}");
        }
    }

    #[test]
    fn several_codes_alone_are_found_each() {
        for text in ["50076 900421 SecretNotFound", "AADSTS50076, 900421,\nsecretnotfound"] {
            assert_eq!(codes(text), ["AADSTS50076", "900421", "SecretNotFound"], "{text}");
        }
        assert_eq!(codes("50076 times"), Vec::<String>::new());
    }

    #[test]
    fn ids_are_read_whatever_language_their_labels_are_of() {
        for (trace, correlation, time) in [
            ("トレース ID: ", "相関 ID: ", "タイムスタンプ: "),
            ("跟踪 ID：", "相关 ID：", "时间戳："),
            ("Ablaufverfolgungs-ID: ", "Korrelations-ID: ", "Zeitstempel: "),
            ("ID de trace : ", "ID de corrélation : ", "Horodatage : "),
        ] {
            let text = format!(
                "エラー AADSTS50076: x '99999999-0000-4000-8000-000000000000'\r\n{trace}00000000-0000-4000-8000-00000000000a\r\n{correlation}00000000-0000-4000-8000-00000000000b\r\n{time}2022-09-08 06:24:42Z"
            );
            let found = &explain(&text)[0];
            assert_eq!(found.trace_id.as_deref(), Some("00000000-0000-4000-8000-00000000000a"), "{text}");
            assert_eq!(found.correlation_id.as_deref(), Some("00000000-0000-4000-8000-00000000000b"), "{text}");
            assert_eq!(found.timestamp.as_deref(), Some("2022-09-08 06:24:42Z"), "{text}");
        }
    }

    #[test]
    fn of_a_page_only_what_was_said_is_repeated() {
        let page = "<h1>Sorry</h1><p>AADSTS65001: The user&#39;s &lt;app&gt;</p><div>Trace ID: 00000000-0000-4000-8000-00000000000a<br>Correlation ID: 00000000-0000-4000-8000-00000000000b</div>";
        let found = &explain(page)[0];
        assert_eq!(found.text.as_deref(), Some("AADSTS65001: The user's <app>"));
        assert_eq!(found.trace_id.as_deref(), Some("00000000-0000-4000-8000-00000000000a"));
        let line = "log: AADSTS70043: The token has expired. Trace ID: 00000000-0000-4000-8000-00000000000a";
        assert_eq!(explain(line)[0].text.as_deref(), Some("AADSTS70043: The token has expired."));
    }

    #[test]
    fn every_row_and_every_kind_is_found_by_its_name() {
        for row in remedy::all() {
            let found = explain(&row.name());
            assert!(
                found.iter().any(|found| found.code == row.name() && found.source == row.source.as_str()),
                "{row:?}"
            );
        }
        for kind in ErrorKind::ALL {
            assert!(codes(kind.id()).contains(&kind.id().to_owned()), "{kind:?}");
            assert!(codes(&kind.number().to_string()).contains(&kind.id().to_owned()), "{kind:?}");
        }
    }

    #[test]
    fn a_number_that_no_table_has_keeps_its_link() {
        let found = &explain("AADSTS1234567")[0];
        assert_eq!((found.code.as_str(), found.known, found.kind), ("AADSTS1234567", false, None));
        assert_eq!(found.link, "https://login.microsoftonline.com/error?code=1234567");
        assert!(found.hint.contains(&found.link));
        assert_eq!(codes("1234567"), ["AADSTS1234567"]);
    }

    const ENTRA: &str = "{\"error\":\"interaction_required\",\"error_description\":\"AADSTS70043: The refresh token has expired.\\r\\nTrace ID: 00000000-0000-4000-8000-00000000000a\\r\\nCorrelation ID: 00000000-0000-4000-8000-00000000000b\\r\\nTimestamp: 2022-09-08 06:24:42Z\",\"error_codes\":[70043],\"timestamp\":\"2022-09-08 06:24:42Z\",\"trace_id\":\"00000000-0000-4000-8000-00000000000a\",\"correlation_id\":\"00000000-0000-4000-8000-00000000000b\",\"suberror\":\"token_expired\"}";

    #[test]
    fn a_reply_of_entra_is_read_whether_it_is_json_or_text() {
        let value: Value = serde_json::from_str(ENTRA).unwrap();
        let described = value["error_description"].as_str().unwrap();
        let on_one_line = described.replace("\r\n", " ");
        let quoted = format!("urllib3 said 400 for url: /token body={ENTRA} (attempt 1)");
        let cut = &ENTRA[..ENTRA.len() - 2];
        for text in [ENTRA, &quoted, described, &on_one_line, cut] {
            let found = explain(text);
            assert_eq!(found.len(), 1, "{text}");
            let found = &found[0];
            assert_eq!(found.code, "AADSTS70043", "{text}");
            assert_eq!(found.trace_id.as_deref(), Some("00000000-0000-4000-8000-00000000000a"), "{text}");
            assert_eq!(found.correlation_id.as_deref(), Some("00000000-0000-4000-8000-00000000000b"), "{text}");
            assert_eq!(found.timestamp.as_deref(), Some("2022-09-08 06:24:42Z"), "{text}");
            assert!(
                found.text.as_deref().unwrap().starts_with("AADSTS70043: The refresh token has expired."),
                "{text}"
            );
        }
        assert_eq!(explain(ENTRA)[0].suberror.as_deref(), Some("token_expired"));
        assert_eq!(explain(cut)[0].suberror.as_deref(), Some("token_expired"));
        assert_eq!(explain(ENTRA)[0].error.as_deref(), Some("interaction_required"));
    }

    #[test]
    fn an_unknown_number_takes_its_class_from_the_words_around_it() {
        let text = json!({"error": "invalid_grant", "suberror": "bad_token", "error_codes": [1_234_567]}).to_string();
        let found = &explain(&text)[0];
        assert_eq!((found.code.as_str(), found.known), ("AADSTS1234567", false));
        assert_eq!((found.class, found.kind), (Some("reauth"), Some("GrantRevoked")));
        assert!(found.command.is_some() && found.hint.contains("code=1234567"));
    }

    #[test]
    fn the_other_services_replies_are_read() {
        let vault = json!({"error": {"code": "Forbidden", "message": "Caller is not authorized.", "innererror": {"code": "ForbiddenByRbac"}}});
        assert_eq!(codes(&vault.to_string()), ["Forbidden", "ForbiddenByRbac"]);
        let partner_center = json!({"code": "900421", "description": "MFA required", "data": [], "source": "x"});
        assert_eq!(codes(&partner_center.to_string()), ["900421"]);
        assert_eq!(explain(&partner_center.to_string())[0].text.as_deref(), Some("MFA required"));
        assert_eq!(codes(&json!({"code": 400}).to_string()), ["400"]);
        assert_eq!(
            codes("(SecretNotFound) A secret with (name/id) x was not found in this key vault"),
            ["SecretNotFound"]
        );
        assert_eq!(codes("Partner Center failed with code: 900420"), ["900420"]);
        let nested = json!({"code": "90000", "description": "Refused: AADSTS65001: not consented"});
        assert_eq!(codes(&nested.to_string()), ["90000", "AADSTS65001"]);
    }

    #[test]
    fn partnersam_s_own_errors_are_read_back() {
        use crate::error::{EntraDetails, Error};
        let entra = EntraDetails {
            error: "invalid_grant".into(),
            codes: vec![50173],
            suberror: Some("bad_token".into()),
            correlation_id: Some("00000000-0000-4000-8000-00000000000b".into()),
            ..Default::default()
        };
        let error =
            Error::new(ErrorKind::GrantRevoked, "token", "x").with_service_code("AADSTS50173").with_entra(entra);
        for text in
            [error.to_json(), format!("{{\"schema_version\":1,\"error\":{}}}", error.to_json()), format!("{error:?}")]
        {
            let found = explain(&text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!((found[0].code.as_str(), found[0].suberror.as_deref()), ("AADSTS50173", Some("bad_token")));
            assert_eq!(found[0].correlation_id.as_deref(), Some("00000000-0000-4000-8000-00000000000b"), "{text}");
        }
        let plain = Error::new(ErrorKind::StoreKeyMissing, "open", "x");
        assert_eq!(codes(&format!("{plain:?}")), ["StoreKeyMissing"]);
        assert_eq!(codes("see: TROUBLESHOOTING.md#timeout"), ["Timeout"]);
    }

    #[test]
    fn everyday_words_and_numbers_are_no_codes() {
        for text in [
            "",
            "hello",
            "403 Forbidden",
            "Timeout after 50076 ms",
            "port 10001 of 20002",
            "12",
            "an error of 400 kinds",
        ] {
            assert_eq!(codes(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn ids_without_a_code_are_kept() {
        let found = &explain("Something went wrong. Correlation ID: 00000000-0000-4000-8000-00000000000b")[0];
        assert_eq!((found.code.as_str(), found.known), ("", false));
        assert_eq!(found.correlation_id.as_deref(), Some("00000000-0000-4000-8000-00000000000b"));
    }

    #[test]
    fn what_looks_like_a_token_is_not_repeated() {
        let text = format!("AADSTS50076: the token eyJ0.{} is bad", "Canary0".repeat(30));
        assert!(!to_json(&text).contains("Canary0"));
    }

    #[test]
    fn a_long_text_is_read_to_a_limit() {
        let far = "\u{e9}".repeat(MOST_TEXT);
        assert_eq!(codes(&format!("{far}AADSTS50076")), ["AADSTS50076"], "a log ends with what failed");
        assert_eq!(codes(&format!("AADSTS50076 {far}")), ["AADSTS50076"]);
        assert_eq!(codes(&format!("{far}AADSTS50076{far}")), Vec::<String>::new());
        let many: String = (0..100).map(|n| format!("AADSTS{} ", 900_500 + n)).collect();
        assert_eq!(codes(&many).len(), MOST_CODES);
    }

    #[test]
    fn a_text_with_more_codes_than_are_explained_says_so() {
        let numbers = |count: u32| (900_500..900_500 + count).map(|number| number.to_string()).collect::<Vec<_>>();
        let most = u32::try_from(MOST_CODES).unwrap();
        for (count, more) in [(1, false), (most, false), (most + 1, true)] {
            let labelled = numbers(count).join(" AADSTS");
            let listed = format!("{{\"error\": \"invalid_grant\", \"error_codes\": [{}]}}", numbers(count).join(","));
            // The same code once more is not one more.
            let twice = format!("it failed: AADSTS{labelled} AADSTS{labelled}");
            for text in [format!("AADSTS{labelled}"), twice, listed] {
                let explained = explain_counted(&text);
                assert_eq!(explained.more, more, "{text}");
                assert_eq!(explained.explanations.len(), MOST_CODES.min(count as usize), "{text}");
                assert!(to_json(&text).ends_with(&format!("\"more\":{more}}}")));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC*|.*", label in "AADSTS|trace id|code|correlation_id|#|") {
            for explanation in explain(&format!("{label}{text} {label} {text}")) {
                prop_assert!(!explanation.hint.is_empty() && !explanation.meaning.is_empty() && !explanation.link.is_empty());
            }
        }

        #[test]
        fn any_json_is_answered(error in ".*", code in any::<u64>(), text in ".*") {
            let value = json!({"error": error, "error_codes": [code, text], "code": text, "error_description": text, "id": error});
            let _ = explain(&value.to_string());
            let _ = explain(&json!({"error": value}).to_string());
        }
    }
}
