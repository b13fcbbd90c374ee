//! How many there are, as a person reads it.

use std::fmt::Display;

/// `1 grant`, `2 grants`.
pub(crate) fn counted(count: impl Display + PartialEq + From<u8>, unit: &str) -> String {
    let end = if count == 1.into() { "" } else { "s" };
    format!("{count} {unit}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "grant")), ["0 grants", "1 grant", "2 grants"]);
    }
}
