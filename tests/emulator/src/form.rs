//! Form bodies and query strings.

use url::form_urlencoded;

/// Decoded pairs in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a parameter, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The name of a parameter that came twice (RFC 6749 section 3.2 forbids it).
    pub(crate) fn duplicate(&self) -> Option<&str> {
        self.0
            .iter()
            .enumerate()
            .find(|(index, (key, _))| self.0.iter().take(*index).any(|(other, _)| other == key))
            .map(|(_, (key, _))| key.as_str())
    }

    pub(crate) fn insert(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }
}

/// `url` with these pairs in its query, or in its fragment.
pub(crate) fn with_pairs(url: &str, pairs: &[(String, String)], fragment: bool) -> String {
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let separator = match (fragment, url.contains('?')) {
        (true, _) => '#',
        (false, true) => '&',
        (false, false) => '?',
    };
    format!("{url}{separator}{encoded}")
}
