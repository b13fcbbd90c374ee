//! How many there are, as a person reads it.

use std::fmt::Display;

/// `1 grant`, `2 grants`.
pub(crate) fn grants(count: impl Display + PartialEq + From<u8>) -> String {
    let end = if count == 1.into() { "" } else { "s" };
    format!("{count} grant{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        assert_eq!([0_u64, 1, 2].map(grants), ["0 grants", "1 grant", "2 grants"]);
    }
}
