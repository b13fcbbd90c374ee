//! Whether a proxy stands before a host, by the variables that the HTTP client reads and the rules by which it reads them.

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// The way to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// No variable names a proxy.
    Direct,
    /// By the proxy that this variable names.
    By(&'static str),
    /// Past that proxy, for the second variable excepts the host.
    Past(&'static str, &'static str),
}

/// The way to `url`, as `variable` gives the environment.
pub(super) fn way(url: &Url, variable: impl Fn(&str) -> Option<String>) -> Way {
    // A server's, where anybody who sends a `Proxy:` header would set one.
    let is_cgi = variable("REQUEST_METHOD").is_some();
    let Some(url) = url.as_str().parse::<http::Uri>().ok().filter(|_| !is_cgi) else { return Way::Direct };
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variable(name)?)));
    let stands_before = |proxy: &str, no: &str| {
        Matcher::builder().https(proxy.to_owned()).no(no.to_owned()).build().intercept(&url).is_some()
    };
    let named = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]].into_iter().filter_map(first);
    let mut used = named.filter(|(_, proxy)| stands_before(proxy, ""));
    match (used.next(), first(["NO_PROXY", "no_proxy"])) {
        (None, _) => Way::Direct,
        (Some((by, proxy)), Some((no, hosts))) if !stands_before(&proxy, &hosts) => Way::Past(by, no),
        (Some((by, _)), _) => Way::By(by),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn way_with(set: &[(&str, &str)]) -> Way {
        let url = Url::parse("https://login.example/tenant").unwrap();
        way(&url, |name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://proxy.example:3128");

    #[test]
    fn a_variable_that_names_a_proxy_is_told_and_the_nearer_one_first() {
        assert_eq!(way_with(&[]), Way::Direct);
        assert_eq!(way_with(&[PROXY]), Way::By("HTTPS_PROXY"));
        assert_eq!(way_with(&[("all_proxy", "socks5://proxy.example")]), Way::By("all_proxy"));
        assert_eq!(way_with(&[("ALL_PROXY", "http://other.example"), PROXY]), Way::By("HTTPS_PROXY"));
        for nothing in ["", "no proxy at all"] {
            assert_eq!(way_with(&[("HTTPS_PROXY", nothing)]), Way::Direct, "{nothing:?}");
            assert_eq!(way_with(&[("HTTPS_PROXY", nothing), ("ALL_PROXY", PROXY.1)]), Way::By("ALL_PROXY"));
        }
        assert_eq!(way_with(&[("HTTP_PROXY", PROXY.1)]), Way::Direct);
        assert_eq!(way_with(&[PROXY, ("REQUEST_METHOD", "GET")]), Way::Direct);
    }

    #[test]
    fn a_host_that_is_excepted_is_not_reached_by_the_proxy() {
        for no in ["*", "login.example", "example", ".example", "other.example, login.example"] {
            assert_eq!(way_with(&[PROXY, ("no_proxy", no)]), Way::Past("HTTPS_PROXY", "no_proxy"), "{no}");
        }
        for no in ["", "other.example", "in.example", "10.0.0.0/8"] {
            assert_eq!(way_with(&[PROXY, ("NO_PROXY", no)]), Way::By("HTTPS_PROXY"), "{no}");
        }
        // The first of the two counts, as for the client.
        let both = [PROXY, ("NO_PROXY", "other.example"), ("no_proxy", "*")];
        assert_eq!(way_with(&both), Way::By("HTTPS_PROXY"));
        assert_eq!(way_with(&[("NO_PROXY", "*")]), Way::Direct);
    }
}
