//! A resource and a PATCH put together from pieces, one for each byte.

use serde_json::{Map, Value, json};

const ATTRIBUTES: [&[&str]; 3] = [
    &[
        "userName",
        "externalId",
        "displayName",
        "active",
        "name",
        "emails",
        "addresses",
        "roles",
        "phoneNumbers",
        "x509Certificates",
        "title",
        "groups",
        "meta",
        "id",
        "password",
        "manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:core:2.0:User:emails",
        "unknown",
    ],
    &[
        "displayName",
        "externalId",
        "members",
        "id",
        "schemas",
        "unknown",
    ],
    &[
        "serial",
        "pin",
        "notes",
        "checked",
        "weight",
        "ports",
        "active",
        "image",
        "seen",
        "members",
        "sizes",
        "maker",
        "tags",
        "urn:example:Warranty",
        "urn:example:Warranty:until",
        "urn:example:Warranty:number",
        "until",
    ],
];

const PARTS: &[&str] = &[
    "value",
    "type",
    "primary",
    "display",
    "displayName",
    "$ref",
    "givenName",
    "familyName",
    "streetAddress",
    "formatted",
    "weight",
    "codes",
    "name",
    "number",
    "until",
    "department",
    "VALUE",
];

const FILTERS: &[&str] = &[
    "type eq \"work\"",
    "type eq \"home\"",
    "primary eq true",
    "primary eq false",
    "value eq \"x\"",
    "value ne \"x\"",
    "not (type pr)",
    "value pr",
    "type eq null",
    "weight gt 1",
    "value sw \"\"",
    "type eq \"work\" and value eq \"x\"",
    "type eq \"work\" or type eq \"home\"",
    "value gt 1",
    "type eq \"work\" and primary eq true",
    "not (value eq \"x\" and type eq \"work\")",
];

struct Bytes<'b>(std::slice::Iter<'b, u8>);

/// A list of the two.
pub fn draw(choice: u8, bytes: &[u8]) -> Value {
    let mut bytes = Bytes(bytes.iter());
    let attributes = ATTRIBUTES[usize::from(choice & 3).min(2)];
    let mut resource = Map::new();
    for _ in 0..bytes.below(4) {
        let name = bytes.one_of(attributes).to_owned();
        let value = bytes.value(3);
        resource.insert(name, value);
    }
    for (name, value) in [
        ("userName", json!("ada")),
        ("displayName", json!("Crew")),
        ("serial", json!("A1")),
        (
            "urn:example:Warranty",
            json!({"until": "2030-01-01T00:00:00Z"}),
        ),
    ] {
        if attributes.contains(&name) {
            resource.insert(name.to_owned(), value);
        }
    }
    let operations: Vec<_> = (0..=bytes.below(3))
        .map(|_| bytes.operation(attributes))
        .collect();
    json!([resource, {"Operations": operations}])
}

impl Bytes<'_> {
    /// A number below `end`; zero when there are no bytes left.
    fn below(&mut self, end: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % end)
    }

    fn one_of(&mut self, list: &'static [&'static str]) -> &'static str {
        list[self.below(list.len())]
    }

    fn operation(&mut self, attributes: &'static [&'static str]) -> Value {
        let op = self.one_of(&["add", "replace", "remove", "Add", "Replace"]);
        let mut operation = json!({"op": op});
        if self.below(5) > 0 {
            let mut path = self.one_of(attributes).to_owned();
            if self.below(2) == 1 {
                path = format!("{path}[{}]", self.one_of(FILTERS));
            }
            if self.below(2) == 1 {
                path = format!("{path}.{}", self.one_of(PARTS));
            }
            operation["path"] = json!(path);
            if self.below(8) > 0 {
                operation["value"] = self.value(3);
            }
        } else {
            let name = self.one_of(attributes);
            operation["value"] = json!({name: self.value(3)});
        }
        operation
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(20) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(false),
            3 => json!(""),
            4 => json!("True"),
            5 => json!("x"),
            6 => json!("X"),
            7 => json!("work"),
            8 => json!("home"),
            9 => json!(7),
            10 => json!(1.5),
            11 => json!("2020-01-01T00:00:00Z"),
            12 => json!("AA=="),
            13..=15 if depth > 0 => {
                let items: Vec<_> = (0..self.below(4)).map(|_| self.value(depth - 1)).collect();
                json!(items)
            }
            16.. if depth > 0 => {
                let mut parts = Map::new();
                for _ in 0..self.below(4) {
                    let name = self.one_of(PARTS).to_owned();
                    let value = self.value(depth - 1);
                    parts.insert(name, value);
                }
                Value::Object(parts)
            }
            _ => json!("y"),
        }
    }
}
