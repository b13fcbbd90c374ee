//! What may be pasted: names of tenants and people give way to what they stand for. Ids of requests stay, for support asks for them.

/// The names that must not show, and what stands in their place.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask {
    names: Vec<(String, &'static str)>,
}

impl Mask {
    /// From now on `place` stands for `name`. What is too short to be a name is passed over.
    pub(super) fn hide(&mut self, name: impl Into<String>, place: &'static str) {
        let name = name.into();
        if name.len() > 2 && !self.names.iter().any(|(known, _)| *known == name) {
            self.names.push((name, place));
            // `mail.fabrikam.com` goes before `fabrikam.com`.
            self.names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
    }

    /// The text with known names replaced, accounts gone, and GUIDs cut to their first eight characters.
    pub(super) fn apply(&self, text: &str) -> String {
        let text = self.names.iter().fold(text.to_owned(), |text, (name, place)| replace(&text, name, place));
        let mut shown = String::with_capacity(text.len());
        for piece in text.split_inclusive(|c: char| !is_of_word(c)) {
            let word = piece.trim_end_matches(|c: char| !is_of_word(c));
            shown.push_str(&masked_word(word));
            shown.push_str(piece.get(word.len()..).unwrap_or_default());
        }
        without_quotations(&shown)
    }
}

/// A service quotes what it was asked about: a tenant's display name, an account. Nobody can tell here what that is, so it goes.
fn without_quotations(text: &str) -> String {
    const PLACES: [&str; 4] = ["PARTNER", "CUSTOMER", "TENANT", "ACCOUNT"];
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('\'') {
        let (before, from) = rest.split_at(open);
        let after = from.get(1..).unwrap_or_default();
        shown.push_str(before);
        shown.push('\'');
        // `the server's` opens nothing.
        let opens = !before.chars().next_back().is_some_and(char::is_alphanumeric);
        let closing = after
            .match_indices('\'')
            .map(|(at, _)| at)
            .find(|at| !after.get(at + 1..).and_then(|end| end.chars().next()).is_some_and(char::is_alphanumeric));
        match closing.filter(|_| opens) {
            Some(close) => {
                let quoted = after.get(..close).unwrap_or_default();
                let stays = PLACES.contains(&quoted) || quoted.ends_with('…');
                shown.push_str(if stays { quoted } else { "…" });
                shown.push('\'');
                rest = after.get(close + 1..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '@' | '.' | '_' | '+')
}

fn masked_word(word: &str) -> String {
    if word.contains('@') {
        return "ACCOUNT".to_owned();
    }
    let bare = word.trim_end_matches('.');
    match bare.get(..8) {
        Some(head) if bare.len() == 36 && uuid::Uuid::try_parse(bare).is_ok() => {
            format!("{head}…{}", word.get(bare.len()..).unwrap_or_default())
        }
        _ => word.to_owned(),
    }
}

/// Every place of `name` in `text`, in any case of ASCII letters.
fn replace(text: &str, name: &str, place: &str) -> String {
    let (lower, name) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find(&name)) {
        shown.push_str(text.get(from..from + at).unwrap_or_default());
        shown.push_str(place);
        from += at + name.len();
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask() -> Mask {
        let mut mask = Mask::default();
        mask.hide("fabrikam.com", "PARTNER");
        mask.hide("mail.fabrikam.com", "PARTNER");
        mask.hide("cccccccc-0000-4000-8000-000000000001", "CUSTOMER");
        mask
    }

    #[test]
    fn names_accounts_and_ids_give_way() {
        for (text, shown) in [
            ("run `partnersam consent fabrikam.com`", "run `partnersam consent PARTNER`"),
            ("Fabrikam.com and mail.FABRIKAM.com.", "PARTNER and PARTNER."),
            ("signed in as admin@fabrikam.com, twice", "signed in as ACCOUNT, twice"),
            ("signed in as admin@elsewhere.example.", "signed in as ACCOUNT"),
            ("tenant 'bbbbbbbb-0000-4000-8000-000000000001'.", "tenant 'bbbbbbbb…'."),
            ("app eeeeeeee-0000-4000-8000-000000000001.", "app eeeeeeee…."),
            ("at CCCCCCCC-0000-4000-8000-000000000001", "at CUSTOMER"),
            ("in tenant 'Contoso Ltd', the server's, 'fabrikam.com'", "in tenant '…', the server's, 'PARTNER'"),
            ("'one' and 'it's two' and '", "'…' and '…' and '"),
            ("nothing to hide: 12 days, ü", "nothing to hide: 12 days, ü"),
        ] {
            assert_eq!(mask().apply(text), shown);
        }
    }

    proptest! {
        #[test]
        fn no_name_gets_through(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let shown = mask().apply(&format!("{before}fabrikam.com{after}")).to_ascii_lowercase();
            prop_assert!(!shown.contains("fabrikam.com"));
        }
    }
}
