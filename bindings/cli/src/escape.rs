//! Text from outside, made safe for where it is shown: a terminal, a shell.

use std::fmt::Write as _;

/// `text` with everything written out that a terminal would obey or that would show it in another order than it is in.
pub(crate) fn for_terminal(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        if is_obeyed(c) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        } else {
            safe.push(c);
        }
        safe
    })
}

/// Control characters, and the Unicode ones that turn the direction of writing or are not seen at all.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` as one word of a POSIX shell.
pub(crate) fn for_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(for_terminal("a\u{1b}[31mb\r\nc\u{9b}x\u{202e}y"), r"a\u{1b}[31mb\u{d}\u{a}c\u{9b}x\u{202e}y");
        assert_eq!(for_terminal("Müller ✔ 株式会社"), "Müller ✔ 株式会社");
    }

    #[test]
    fn a_shell_reads_back_one_word() {
        assert_eq!(for_shell("it's $(here) `and` \"there\""), r#"'it'\''s $(here) `and` "there"'"#);
    }
}
