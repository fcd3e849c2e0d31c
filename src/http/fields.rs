//! The members of a JSON object, read one by one under the rules that hold for
//! every body: names without regard to case, none twice, unknown ones ignored.
//!
//! Every fault is noted and reading goes on, so that one answer names them all.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::body::Node;
use crate::model::{Field, Version};

/// The code of a member that is missing.
const REQUIRED: &str = "1";

/// The members of one object that are not read yet.
pub struct Fields<'e> {
    /// Names the object within the body: empty, or as `devices[0].`.
    path: String,
    members: Vec<(String, Node)>,
    errors: &'e mut Vec<Field>,
}

/// Reads an object. `path` names it within the document, empty for the whole.
///
/// # Errors
/// Every fault that `shape` noted; `shape` answers `None` only after one.
pub fn read<T>(
    node: Node,
    path: &str,
    shape: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, Vec<Field>> {
    let mut errors = Vec::new();
    let read = Fields::open(node, path, &mut errors).and_then(|mut fields| shape(&mut fields));
    match read {
        Some(read) if errors.is_empty() => Ok(read),
        _ => Err(errors),
    }
}

impl<'e> Fields<'e> {
    fn open(node: Node, path: &str, errors: &'e mut Vec<Field>) -> Option<Self> {
        let complain = |errors: &mut Vec<Field>, member: String, message: &str| {
            errors.push(Field {
                member,
                message: message.to_owned(),
                code: None,
            });
        };
        let Node::Object(members) = node else {
            complain(errors, path.to_owned(), "must be an object");
            return None;
        };
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        let folded = members
            .into_iter()
            .map(|(name, node)| (name.to_ascii_lowercase(), name, node));
        let mut folded: Vec<_> = folded.collect();
        folded.sort_by(|a, b| a.0.cmp(&b.0));
        for pair in folded.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            let name = camel(&pair[0].1, &pair[1].1);
            complain(errors, format!("{prefix}{name}"), "is given more than once");
        }
        let members = folded
            .into_iter()
            .map(|(folded, _, node)| (folded, node))
            .collect();
        Some(Self {
            path: prefix,
            members,
            errors,
        })
    }

    /// Notes a fault of a member.
    pub fn fault(&mut self, name: &str, message: &str, code: Option<&'static str>) {
        let member = format!("{}{name}", self.path);
        self.errors.push(Field {
            member,
            message: message.to_owned(),
            code,
        });
    }

    /// Takes a member out; `null` is the same as left out.
    fn take(&mut self, name: &str) -> Option<Node> {
        let folded = name.to_ascii_lowercase();
        let found = self
            .members
            .iter_mut()
            .find(|(given, _)| *given == folded)?;
        let node = std::mem::replace(&mut found.1, Node::Null);
        (node != Node::Null).then_some(node)
    }

    /// Text, if given.
    pub fn text(&mut self, name: &str) -> Option<String> {
        if let Node::Text(text) = self.take(name)? {
            return Some(text);
        }
        self.fault(name, "must be text", None);
        None
    }

    /// Text that must be given and not be empty.
    pub fn required(&mut self, name: &str) -> Option<String> {
        let faults = self.errors.len();
        let text = self.text(name).filter(|text| !text.is_empty());
        if text.is_none() && self.errors.len() == faults {
            self.fault(name, "is required", Some(REQUIRED));
        }
        text
    }

    /// A required text of a stricter kind.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.required(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, &error.to_string(), None);
                None
            }
        }
    }

    /// Text of a stricter kind, if given.
    pub fn parsed_if_given<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, &error.to_string(), None);
                None
            }
        }
    }

    /// `true` or `false`, or what a creation starts with.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some(Node::Bool(value)) => value,
            Some(_) => {
                self.fault(name, "must be true or false", None);
                default
            }
        }
    }

    /// `_v`, if given.
    pub fn version(&mut self) -> Option<Version> {
        let Node::Number(number) = self.take("_v")? else {
            self.fault("_v", "must be a whole number", None);
            return None;
        };
        let version = number.as_u64().map(Version);
        if version.is_none() {
            self.fault("_v", "must be a whole number", None);
        }
        version
    }

    /// A list of texts of a stricter kind; empty when left out.
    pub fn texts<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (i, node) in self.list(name).into_iter().enumerate() {
            let parsed = match &node {
                Node::Text(text) => parse(text).map_err(|error| error.to_string()),
                _ => Err("must be text".to_owned()),
            };
            match parsed {
                Ok(value) => values.push(value),
                Err(message) => self.fault(&format!("{name}[{i}]"), &message, None),
            }
        }
        values
    }

    /// A list of objects; empty when left out.
    pub fn objects<T>(
        &mut self,
        name: &str,
        shape: impl Fn(&mut Fields<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (i, node) in self.list(name).into_iter().enumerate() {
            let path = format!("{}{name}[{i}]", self.path);
            let inner = Fields::open(node, &path, self.errors);
            values.extend(inner.and_then(|mut inner| shape(&mut inner)));
        }
        values
    }

    fn list(&mut self, name: &str) -> Vec<Node> {
        match self.take(name) {
            None => Vec::new(),
            Some(Node::List(items)) => items,
            Some(_) => {
                self.fault(name, "must be a list", None);
                Vec::new()
            }
        }
    }

    /// Free data; empty when left out. Its members are kept as they are, but
    /// none may be there twice.
    pub fn free(&mut self, name: &str) -> Map<String, Value> {
        let path = format!("{}{name}", self.path);
        match self.take(name) {
            None => Map::new(),
            Some(Node::Object(members)) => map(members, &path, self.errors),
            Some(_) => {
                self.fault(name, "must be an object", None);
                Map::new()
            }
        }
    }
}

fn map(members: Vec<(String, Node)>, path: &str, errors: &mut Vec<Field>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, node) in members {
        let path = format!("{path}.{name}");
        let value = value(node, &path, errors);
        if map.insert(name, value).is_some() {
            let message = "is given more than once".to_owned();
            errors.push(Field {
                member: path,
                message,
                code: None,
            });
        }
    }
    map
}

fn value(node: Node, path: &str, errors: &mut Vec<Field>) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(value),
        Node::Number(number) => Value::Number(number),
        Node::Text(text) => Value::String(text),
        Node::Object(members) => Value::Object(map(members, path, errors)),
        Node::List(items) => {
            let items = items.into_iter().enumerate();
            items
                .map(|(i, item)| value(item, &format!("{path}[{i}]"), errors))
                .collect()
        }
    }
}

/// The name of a doubled member in camelCase: the spelling that already is, or
/// `UserName` as `userName`.
fn camel(one: &str, other: &str) -> String {
    let is_camel = |name: &&str| name.starts_with(|first: char| first.is_ascii_lowercase());
    let name = [one, other].into_iter().find(is_camel).unwrap_or(one);
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_ascii_lowercase().to_string() + chars.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceName;

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes(), 32).expect("JSON")
    }

    fn members(errors: &[Field]) -> Vec<(&str, &str)> {
        errors
            .iter()
            .map(|error| (error.member.as_str(), error.message.as_str()))
            .collect()
    }

    #[test]
    fn names_are_matched_in_any_case_and_null_is_left_out() {
        let body = node(r#"{"UserName":"1","ISACTIVE":false,"name":null,"more":{}}"#);
        let read = read(body, "", |fields| {
            Some((
                fields.required("userName")?,
                fields.flag("isActive", true),
                fields.text("name"),
            ))
        });
        assert_eq!(read, Ok(("1".to_owned(), false, None)));
    }

    #[test]
    fn a_member_given_twice_in_any_case_is_refused_at_every_level() {
        let body =
            node(r#"{"UserName":"1","userName":"2","devices":[{"NAME":"P01","name":"P02"}]}"#);
        let errors = read(body, "", |fields| {
            fields.objects("devices", |entry| entry.required("name"));
            fields.required("userName")
        });
        assert_eq!(
            members(&errors.expect_err("refused")),
            [
                ("userName", "is given more than once"),
                ("devices[0].name", "is given more than once"),
            ]
        );
        let free = node(r#"{"settings":{"a":1,"A":2,"b":[{"c":1,"c":2}]}}"#);
        let errors = read(free, "", |fields| Some(fields.free("settings"))).expect_err("refused");
        assert_eq!(
            members(&errors),
            [("settings.b[0].c", "is given more than once")]
        );
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let body = node(
            r#"{"name":5,"isActive":"x","roles":[1,"a/b"],"devices":["x",{"name":""}],"_v":1.5,"settings":[]}"#,
        );
        let errors = read(body, "users[3]", |fields| {
            fields.parsed("name", DeviceName::parse);
            fields.flag("isActive", true);
            fields.texts("roles", DeviceName::parse);
            fields.objects("devices", |entry| entry.required("name"));
            fields.version();
            fields.free("settings");
            Some(())
        })
        .expect_err("refused");
        assert_eq!(
            members(&errors),
            [
                ("users[3].name", "must be text"),
                ("users[3].isActive", "must be true or false"),
                ("users[3].roles[0]", "must be text"),
                (
                    "users[3].roles[1]",
                    "must not contain control characters, direction marks or '/'"
                ),
                ("users[3].devices[0]", "must be an object"),
                ("users[3].devices[1].name", "is required"),
                ("users[3]._v", "must be a whole number"),
                ("users[3].settings", "must be an object"),
            ]
        );
    }

    #[test]
    fn a_missing_member_has_code_1() {
        let errors = read(node("{}"), "", |fields| fields.required("code")).expect_err("refused");
        assert_eq!(errors[0].code, Some("1"));
        let errors = read(node("[]"), "", |fields| fields.required("code")).expect_err("refused");
        assert_eq!(members(&errors), [("", "must be an object")]);
    }
}
