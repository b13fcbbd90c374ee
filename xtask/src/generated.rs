//! The generated files: which there are, and whether they are what their sources make.

use std::fs;
use std::path::Path;

use similar::TextDiff;

use crate::{Result, explanations, header, numbers, symbols, tell};

/// A file of the repository, and how it is made.
type Generated = (&'static str, fn(&Path) -> Result<String>);

/// In order: the header is made from the sources, the list of symbols from the header.
const FILES: [Generated; 4] = [
    (numbers::PATH, numbers::make),
    (header::PATH, header::make),
    (symbols::PATH, symbols::make),
    (explanations::PATH, explanations::make),
];

/// Writes those that differ.
pub(crate) fn write(root: &Path) -> Result<()> {
    for (path, make) in FILES {
        let text = make(root)?;
        let file = root.join(path);
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        fs::write(&file, text).map_err(|error| format!("{path} cannot be written: {error}"))?;
        tell(&format!("{path} is written\n"));
    }
    Ok(())
}

/// Shows how each differs from what its sources make.
///
/// Errors: when one does.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut stale = Vec::new();
    for (path, make) in FILES {
        let found = fs::read_to_string(root.join(path)).unwrap_or_default();
        let made = make(root)?;
        if found != made {
            tell(
                &TextDiff::from_lines(&found, &made)
                    .unified_diff()
                    .header(path, &format!("{path} as its sources make it"))
                    .to_string(),
            );
            stale.push(path);
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("run `make gen` and commit what it writes: {}", stale.join(", ")))
    }
}
