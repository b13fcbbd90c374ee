//! What `Export-Clixml` wrote of a result of `New-PartnerAccessToken`: `<S N="RefreshToken">…</S>`; `<SS N=…>` is a SecureString, encrypted for one Windows
//! account ([MS-PSRP] sections 2.2.5.1 and 2.2.5.1.24).

use roxmltree::Node;

use super::field_set::Field;
use super::xml::content;

/// The properties of every object in it, by name.
pub(super) fn fields(root: Node<'_, '_>) -> Vec<Field> {
    let found = root.descendants().filter_map(|node| {
        let name = node.attribute("N")?;
        match node.tag_name().name() {
            "S" | "G" => content(node, name),
            "SS" => content(node, name).map(|field| Field { is_sealed: true, ..field }),
            _ => None,
        }
    });
    found.collect()
}
