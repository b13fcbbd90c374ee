//! The few OData query options that are played: `$filter` by equality or by a list, and pages (OASIS, "OData 4.01 URL Conventions").

use serde_json::{Value, json};

use super::{Problem, Reply, context};
use crate::{form::Form, state::World};

/// The pairs of a filter `a eq 'x' and b eq 'y'`, in order.
pub(super) fn equalities(query: &Form) -> Result<Vec<(String, String)>, Problem> {
    let Some(filter) = query.get("$filter") else { return Ok(Vec::new()) };
    let refused = || Problem::bad(format!("Invalid filter clause: {}", filter.chars().take(200).collect::<String>()));
    let mut pairs = Vec::new();
    let mut rest = filter.trim();
    loop {
        let (name, after) = rest.split_once(" eq ").ok_or_else(refused)?;
        let (value, after) = literal(after.trim_start()).ok_or_else(refused)?;
        pairs.push((name.trim().to_owned(), value));
        rest = match after.trim_start() {
            "" => return Ok(pairs),
            more => more.strip_prefix("and ").ok_or_else(refused)?,
        };
    }
}

/// The values of a filter `a in ('x', 'y')` by that name; none where the filter is of another kind.
pub(super) fn list_of(query: &Form, name: &str) -> Result<Option<Vec<String>>, Problem> {
    /// What the real one takes.
    const MOST: usize = 15;
    let Some(list) = query.get("$filter").and_then(|filter| filter.trim().strip_prefix(name)?.strip_prefix(" in "))
    else {
        return Ok(None);
    };
    let refused = || Problem::bad("Invalid filter clause: the list is not one of strings.");
    let mut rest = list.trim().strip_prefix('(').ok_or_else(refused)?;
    let mut values = Vec::new();
    loop {
        let (value, after) = literal(rest.trim_start()).ok_or_else(refused)?;
        values.push(value);
        rest = match after.trim_start() {
            ")" => break,
            more => more.strip_prefix(',').ok_or_else(refused)?,
        };
    }
    if values.len() > MOST {
        return Err(Problem::bad(format!(
            "Too many child clauses specified in search filter expression containing 'OR' operators: {}. Max allowed: {MOST}.",
            values.len()
        )));
    }
    Ok(Some(values))
}

/// A string in single quotes, where two of them stand for one, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

/// The value that a filter by one of these names asks for; any other name is refused.
pub(super) fn filter_by<'a>(
    pairs: &'a [(String, String)],
    allowed: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, Problem> {
    match pairs.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
        Some((name, _)) => Err(Problem {
            code: "Request_UnsupportedQuery",
            ..Problem::bad(format!("Unsupported or invalid query filter clause specified for property '{name}'."))
        }),
        None => Ok(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
    }
}

/// Rows on a page when nobody says how many.
const PAGE: usize = 100;
const LARGEST: usize = 999;
const SKIP: &str = "emulator-after-";

/// One page of a collection, with a link to the next.
pub(super) fn page(
    world: &World,
    scenario_page: u32,
    path: &str,
    query: &Form,
    rows: Vec<Value>,
) -> Result<Reply, Problem> {
    let usual = if scenario_page == 0 { PAGE } else { scenario_page as usize };
    let size = match query.get("$top").map(str::parse::<usize>) {
        None => usual,
        Some(Ok(top)) if (1..=LARGEST).contains(&top) => top,
        Some(_) => return Err(Problem::bad("Invalid page size specified.")),
    };
    let start = match query.get("$skiptoken") {
        None => 0,
        Some(token) => token
            .strip_prefix(SKIP)
            .and_then(|place| place.parse::<usize>().ok())
            .ok_or_else(|| Problem::bad("The skip token is not valid."))?,
    };
    let total = rows.len();
    let value: Vec<_> = rows.into_iter().skip(start).take(size).collect();
    let end = start.saturating_add(value.len());
    let mut body = json!({ "@odata.context": context(path.trim_start_matches('/')), "value": value });
    if end < total
        && let Some(body) = body.as_object_mut()
    {
        let mut next = url::form_urlencoded::Serializer::new(String::new());
        for name in ["$filter", "$top", "$select"] {
            if let Some(value) = query.get(name) {
                next.append_pair(name, value);
            }
        }
        next.append_pair("$skiptoken", &format!("{SKIP}{end}"));
        body.insert("@odata.nextLink".to_owned(), json!(format!("{}/v1.0{path}?{}", world.urls.graph, next.finish())));
    }
    Ok(Reply::ok(body))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_list_is_one_of_fifteen_strings_at_most() {
        let parse = |filter: &str| {
            let mut form = Form::default();
            form.insert("$filter", filter.to_owned());
            list_of(&form, "appId")
        };
        assert_eq!(parse("appId in ('a', 'b''c')").unwrap(), Some(vec!["a".to_owned(), "b'c".to_owned()]));
        assert_eq!(parse("appId eq 'a'").unwrap(), None);
        let sixteen = vec!["'x'"; 16].join(",");
        for wrong in
            ["appId in ()", "appId in 'a'", "appId in ('a'", "appId in ('a';'b')", &format!("appId in ({sixteen})")]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_filter_is_equalities_and_nothing_else() {
        let parse = |filter: &str| {
            let mut form = Form::default();
            form.insert("$filter", filter.to_owned());
            equalities(&form)
        };
        let pairs = parse("clientId eq 'a''b' and consentType eq 'AllPrincipals'").unwrap();
        assert_eq!(
            pairs,
            [("clientId".to_owned(), "a'b".to_owned()), ("consentType".to_owned(), "AllPrincipals".to_owned())]
        );
        for wrong in [
            "appId",
            "appId eq x",
            "appId eq 'x",
            "appId eq 'x' or appId eq 'y'",
            "startswith(appId,'x')",
            "appId eq 'x' and ",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
