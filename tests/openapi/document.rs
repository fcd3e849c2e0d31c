//! The document as a test reads it: operations with their parameters, bodies
//! and answers, and a checker for the part of JSON Schema that it uses. A word
//! that the checker does not know is a fault, so that no rule is passed over.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The methods that an operation can stand under.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// The words of schemas that say something about values.
const RULES: [&str; 14] = [
    "$ref",
    "type",
    "enum",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "format",
    "allOf",
    "anyOf",
];
/// The words that only tell the reader something.
const REMARKS: [&str; 4] = ["description", "default", "writeOnly", "title"];

/// The whole document.
pub struct Document(pub Value);

/// One method on one path.
pub struct Operation<'a> {
    /// In capitals.
    pub method: String,
    /// With `{id}` and the like.
    pub path: &'a str,
    /// What the document says of it.
    pub said: &'a Map<String, Value>,
    /// Its parameters and those of its path, resolved.
    pub parameters: Vec<&'a Value>,
}

impl Operation<'_> {
    /// `GET /sessions`
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it needs a login.
    pub fn needs_login(&self) -> bool {
        self.said
            .get("security")
            .is_none_or(|security| security.as_array().is_none_or(|one_of| !one_of.is_empty()))
    }

    /// Whether only a signed request is let in.
    pub fn needs_signature(&self) -> bool {
        self.said.get("security") == Some(&serde_json::json!([{ "nws4": [] }]))
    }

    /// Whether this status stands in the document by its number.
    pub fn documents(&self, status: u16) -> bool {
        self.said["responses"].get(status.to_string()).is_some()
    }

    /// The parameters in a place: `query`, `header`, `path`.
    pub fn parameters_in(&self, place: &str) -> impl Iterator<Item = &Value> {
        let place = place.to_owned();
        let there = move |parameter: &&&Value| parameter["in"] == place.as_str();
        self.parameters.iter().filter(there).copied()
    }
}

impl Document {
    /// Every operation, path by path.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().expect("paths") {
            for method in METHODS {
                let Some(said) = item.get(method).and_then(Value::as_object) else {
                    continue;
                };
                let shared = item.get("parameters").and_then(Value::as_array);
                let own = said.get("parameters").and_then(Value::as_array);
                let parameters = shared.into_iter().chain(own).flatten();
                all.push(Operation {
                    method: method.to_ascii_uppercase(),
                    path,
                    said,
                    parameters: parameters.map(|one| self.resolve(one)).collect(),
                });
            }
        }
        all
    }

    /// What a reference leads to.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref") else {
            return value;
        };
        let reference = reference.as_str().expect("a reference is text");
        let pointer = reference.strip_prefix('#').expect("a local reference");
        let found = self.0.pointer(pointer);
        self.resolve(found.unwrap_or_else(|| panic!("{reference} leads nowhere")))
    }

    /// The answer that an operation documents for a status.
    pub fn response<'a>(&'a self, operation: &Operation<'a>, status: u16) -> &'a Value {
        let responses = &operation.said["responses"];
        let named = responses.get(status.to_string());
        let named = named.or_else(|| responses.get("default").filter(|_| status >= 400));
        let name = operation.name();
        self.resolve(named.unwrap_or_else(|| panic!("{name}: {status} is not documented")))
    }

    /// The examples of a body, by name, each with the schema it has to fit.
    pub fn examples<'a>(&'a self, content: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let examples = content.get("examples").and_then(Value::as_object);
        let value = |example| &self.resolve(example)["value"];
        examples
            .into_iter()
            .flatten()
            .map(|(name, example)| (name.as_str(), value(example)))
            .collect()
    }

    /// What is wrong with a value. `closed`: members that the schema does not
    /// name are wrong, too.
    pub fn faults(&self, schema: &Value, value: &Value, closed: bool) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, closed, "$", &mut faults);
        faults
    }

    fn check(
        &self,
        schema: &Value,
        value: &Value,
        closed: bool,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let schema = self.resolve(schema);
        let rules = schema.as_object().expect("a schema is an object");
        for part in rules
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.check(part, value, closed, at, faults);
        }
        let any = rules.get("anyOf").and_then(Value::as_array);
        let fits_one = any.is_none_or(|parts| {
            parts.iter().any(|part| {
                let mut its_faults = Vec::new();
                self.check(part, value, closed, at, &mut its_faults);
                its_faults.is_empty()
            })
        });
        let mut fault = |what: &str| faults.push(format!("{at} {what}: {value}"));
        if !fits_one {
            return fault("fits none of the alternatives");
        }
        if !has_type(rules.get("type"), value) {
            return fault("has another type");
        }
        if rules.get("enum").is_some_and(|all| !holds(all, value)) {
            fault("is none of the listed values");
        }
        if let Some(number) = value.as_f64() {
            let bound = |name| rules.get(name).and_then(Value::as_f64);
            if bound("minimum").is_some_and(|min| number < min)
                || bound("maximum").is_some_and(|max| number > max)
            {
                fault("is out of its range");
            }
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            let bound = |name| rules.get(name).and_then(Value::as_u64);
            if bound("minLength").is_some_and(|min| length < min)
                || bound("maxLength").is_some_and(|max| length > max)
            {
                fault("is too long or too short");
            }
            let is_time = || chrono::DateTime::parse_from_rfc3339(text).is_ok();
            if rules
                .get("format")
                .is_some_and(|format| format == "date-time" && !is_time())
            {
                fault("is no time");
            }
        }
        if let Some(items) = value.as_array() {
            let each = rules.get("items");
            for (place, item) in items.iter().enumerate() {
                let at = format!("{at}[{place}]");
                if let Some(each) = each {
                    self.check(each, item, closed, &at, faults);
                }
            }
        }
        if let Some(members) = value.as_object() {
            self.check_members(rules, members, closed, at, faults);
        }
    }

    fn check_members(
        &self,
        rules: &Map<String, Value>,
        members: &Map<String, Value>,
        closed: bool,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        for name in rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().expect("a name");
            if !members.contains_key(name) {
                faults.push(format!("{at} lacks {name}"));
            }
        }
        let named = rules.get("properties").and_then(Value::as_object);
        let others = rules.get("additionalProperties");
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match (named.and_then(|named| named.get(name)), others) {
                (Some(schema), _) => self.check(schema, member, closed, &at, faults),
                (None, Some(schema)) if schema.is_object() => {
                    self.check(schema, member, closed, &at, faults);
                }
                (None, Some(Value::Bool(true))) => {}
                (None, _) if named.is_some() && closed => {
                    faults.push(format!("{at} is not documented"));
                }
                (None, _) => {}
            }
        }
    }

    /// Words of schemas that the checker does not know.
    pub fn unknown_words(&self) -> BTreeSet<String> {
        let mut unknown = BTreeSet::new();
        for schema in self.0["components"]["schemas"]
            .as_object()
            .expect("schemas")
            .values()
        {
            unknown_in(schema, &mut unknown);
        }
        for operation in self.operations() {
            for parameter in &operation.parameters {
                unknown_in(&parameter["schema"], &mut unknown);
            }
        }
        unknown
    }
}

fn unknown_in(schema: &Value, unknown: &mut BTreeSet<String>) {
    let Some(rules) = schema.as_object() else {
        return;
    };
    for (word, rule) in rules {
        if !RULES.contains(&word.as_str()) && !REMARKS.contains(&word.as_str()) {
            unknown.insert(word.clone());
        }
        match word.as_str() {
            "items" | "additionalProperties" => unknown_in(rule, unknown),
            "properties" => rule
                .as_object()
                .expect("properties are an object")
                .values()
                .for_each(|schema| unknown_in(schema, unknown)),
            "allOf" | "anyOf" => rule
                .as_array()
                .expect("a list")
                .iter()
                .for_each(|schema| unknown_in(schema, unknown)),
            _ => {}
        }
    }
}

fn holds(all: &Value, value: &Value) -> bool {
    all.as_array().expect("a list").contains(value)
}

fn has_type(wanted: Option<&Value>, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a type has a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    match wanted {
        None => true,
        Some(Value::Array(one_of)) => one_of.iter().any(is),
        Some(name) => is(name),
    }
}
