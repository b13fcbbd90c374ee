//! Settings in XML: `<add key= value=/>` of `App.config` and `Web.config` (.NET samples), `<param-name>` and `<param-value>` of `web.xml` (Java samples). What
//! `Export-Clixml` wrote is told apart here and read in [`super::clixml`].

use roxmltree::{Document, Node};

use super::field_set::Field;
use super::{Form, clixml};
use crate::error::{Error, ErrorKind, Result};

/// The fields, and which of the two kinds of XML it is. Document types, and so entities, are refused.
pub(super) fn fields(text: &str) -> Result<(Form, Vec<Field>)> {
    // The parser's own words may quote a value: only the place is passed on.
    let document = Document::parse(text).map_err(|error| {
        let place = error.pos();
        Error::new(
            ErrorKind::InvalidArgument,
            "import",
            format!("it begins as XML and is none at line {}, column {}", place.row, place.col),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() == "Objs" {
        return Ok((Form::CliXml, clixml::fields(root)));
    }
    let fields = root.descendants().filter_map(|node| match node.tag_name().name() {
        "add" => setting(node),
        "param-value" => parameter(node),
        _ => None,
    });
    Ok((Form::Xml, fields.collect()))
}

fn setting(node: Node<'_, '_>) -> Option<Field> {
    let value = node.attribute_node("value")?;
    Some(Field::new(node.attribute("key")?, value.value(), value.range_value()))
}

fn parameter(node: Node<'_, '_>) -> Option<Field> {
    let name = node.prev_sibling_element().filter(|name| name.tag_name().name() == "param-name")?;
    content(node, name.text()?)
}

/// The text that an element holds and nothing else: where comments or elements stand in it there is no one place to blank.
pub(super) fn content(node: Node<'_, '_>, name: &str) -> Option<Field> {
    let mut children = node.children();
    let Some(only) = children.next() else { return Some(Field::new(name, "", 0..0)) };
    if children.next().is_some() || !only.is_text() {
        return None;
    }
    Some(Field::new(name, only.text()?.trim(), only.range()))
}
