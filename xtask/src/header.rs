//! include/partnersam.h: cbindgen reads bindings/c.

use std::fs;
use std::path::Path;

use crate::Result;

pub(crate) const PATH: &str = "include/partnersam.h";

/// The header's text.
pub(crate) fn make(root: &Path) -> Result<String> {
    let folder = root.join("bindings/c");
    let mut config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))?;
    config.header = Some(
        fs::read_to_string(folder.join("preamble.h"))
            .map_err(|error| format!("bindings/c/preamble.h cannot be read: {error}"))?,
    );
    let bindings = cbindgen::generate_with_config(&folder, config)
        .map_err(|error| format!("bindings/c cannot be read by cbindgen: {error}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).map_err(|_| "the header is not UTF-8".to_owned())
}
