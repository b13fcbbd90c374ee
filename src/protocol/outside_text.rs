//! Text that a service wrote, made fit to be shown: one line, of bounded length, and without anything that looks like a token.

/// At most this many characters of a service's sentence go into an error.
const LONGEST_SENTENCE: usize = 400;

/// The first line of `text`, cut, without control characters. Long words that look like tokens or secrets give way to `(..)`: a server may quote
/// what it was sent.
pub(crate) fn sentence(text: &str) -> String {
    let line = text.trim_start().split(['\r', '\n']).next().unwrap_or_default();
    let mut shown = String::new();
    let mut word_start = 0;
    let mut push = |word: &str| {
        if looks_secret(word) {
            shown.push_str("(..)");
        } else {
            shown.push_str(word);
        }
    };
    for (at, c) in line.char_indices() {
        if !is_token_character(c) {
            push(line.get(word_start..at).unwrap_or_default());
            let mut space = [0; 4];
            push(if is_unfit(c) { " " } else { c.encode_utf8(&mut space) });
            word_start = at + c.len_utf8();
        }
    }
    push(line.get(word_start..).unwrap_or_default());
    cut(shown.trim(), LONGEST_SENTENCE)
}

/// A name such as an error class or an id: cut, without control characters or anything that looks like a token.
pub(crate) fn name(text: &str) -> String {
    const LONGEST_NAME: usize = 128;
    cut(&sentence(text), LONGEST_NAME)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Control characters, and those that turn the direction of a line or hide in it.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '=')
}

/// Ids of Entra have 36 characters and one case; its secrets 40 and both; its tokens hundreds.
fn looks_secret(word: &str) -> bool {
    const LONGEST_ID: usize = 36;
    const LONGEST_WORD: usize = 64;
    let is_mixed = word.bytes().any(|b| b.is_ascii_uppercase())
        && word.bytes().any(|b| b.is_ascii_lowercase())
        && word.bytes().any(|b| b.is_ascii_digit());
    word.len() > LONGEST_WORD || (word.len() > LONGEST_ID && is_mixed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_is_shown() {
        assert_eq!(
            sentence("AADSTS70043: The token has expired.\r\nTrace ID: 1\r\n"),
            "AADSTS70043: The token has expired."
        );
        assert_eq!(sentence(""), "");
        assert_eq!(name("invalid_grant"), "invalid_grant");
        assert_eq!(name("aaaabbbb-0000-cccc-1111-dddd2222eeee"), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
    }

    #[test]
    fn what_a_server_quotes_is_not_repeated() {
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.test-signature-test-signature-test-signature";
        let secret = "Test8~NotARealSecret.NotARealSecret_0123";
        assert_eq!(secret.len(), 40);
        for quoted in [jwt, secret] {
            assert_eq!(sentence(&format!("the value '{quoted}' is bad")), "the value '(..)' is bad");
        }
        let address = "https://consent.fabrikam.example/after/a/rather/long/path/that/goes/on/and/on/forever";
        assert_eq!(sentence(address), address);
    }

    #[test]
    fn a_terminal_stays_as_it_was() {
        assert_eq!(sentence("a\u{1b}[31mred\u{7}\u{202e}b"), "a [31mred  b");
        assert_eq!(sentence(&"é ".repeat(300)).chars().count(), LONGEST_SENTENCE + 1);
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_short_line(text in "\\PC*|.*") {
            let shown = sentence(&text);
            prop_assert!(shown.chars().count() <= LONGEST_SENTENCE + 1);
            prop_assert!(!shown.chars().any(is_unfit));
        }
    }
}
