//! bindings/c/symbols.txt: what the C library exports. A line may be added; one that goes, or changes its meaning, breaks programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use similar::TextDiff;

use crate::{Result, header, tell};

pub(crate) const PATH: &str = "bindings/c/symbols.txt";

/// The functions that the header declares, one a line, sorted.
pub(crate) fn make(root: &Path) -> Result<String> {
    let header = header::make(root)?;
    let code = without_comments(&header);
    let mut names: Vec<&str> = code
        .match_indices("psam_")
        .filter(|(at, _)| {
            !code
                .get(..*at)
                .is_some_and(|before| before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_'))
        })
        .filter_map(|(at, _)| code.get(at..)?.split_once('(').map(|(name, _)| name))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err("the header declares no function".to_owned());
    }
    Ok(lines(&names))
}

/// Compares what `library` exports with the committed list.
pub(crate) fn compare(root: &Path, library: &Path) -> Result<()> {
    let listed = fs::read_to_string(root.join(PATH)).map_err(|error| format!("{PATH} cannot be read: {error}"))?;
    let nm = Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(library)
        .output()
        .map_err(|error| format!("nm cannot be run: {error}"))?;
    if !nm.status.success() {
        return Err(format!("nm failed: {}", String::from_utf8_lossy(&nm.stderr).trim()));
    }
    let output = String::from_utf8_lossy(&nm.stdout);
    let mut names: Vec<&str> = output.lines().collect();
    names.sort_unstable();
    let exported = lines(&names);
    if exported == listed {
        return Ok(());
    }
    tell(&TextDiff::from_lines(&listed, &exported).unified_diff().header(PATH, "exported").to_string());
    Err(format!("the library does not export what {PATH} lists: {}", library.display()))
}

fn lines(names: &[&str]) -> String {
    names.iter().flat_map(|name| [name, "\n"]).collect()
}

fn without_comments(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    code.lines()
        .map(|line| line.split_once("//").map_or(line, |(before, _)| before))
        .flat_map(|line| [line, "\n"])
        .collect()
}
