//! Examples of a rule: somebody in some groups, with some attributes, and what the rule is expected
//! to give. They are held against the rule whenever it is written, so that it does what its maker
//! means.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::scim::filter::Filter;
use crate::scim::{evaluate, fold};
use crate::store::rule_sources::RuleSource;
use crate::store::rules::LinePolicy;

/// The most examples of a rule.
const MOST: usize = 20;
/// The longest example, in bytes of its JSON.
const BYTES: usize = 8 * 1024;

/// Somebody, and what is expected of the rule for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Example {
    /// The groups that the person is in, by name or id.
    pub groups: Vec<String>,
    /// The attributes that the directory says of the person, as in a SCIM User.
    pub user: Map<String, Value>,
    /// Of a rule over profiles instead: the fields that the member shows.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub member: Map<String, Value>,
    /// Whether the rule holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives: Option<bool>,
    /// The names of all teams that it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<BTreeSet<String>>,
    /// The names of all roles that it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<String>>,
    /// All permissions that it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeSet<String>>,
    /// The line that it fills in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<ExpectedLine>,
    /// The language that it fills in; `none` for no language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// The line that an example expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedLine {
    /// One without a number.
    Numberless,
    /// One with a number.
    Numbered,
    /// That the rule fills in no line.
    None,
}

impl ExpectedLine {
    fn name(self) -> &'static str {
        match self {
            Self::Numberless => line_name(LinePolicy::Numberless),
            Self::Numbered => line_name(LinePolicy::Numbered),
            Self::None => NOTHING,
        }
    }
}

/// How it is called that a rule fills in nothing.
const NOTHING: &str = "none";

impl Example {
    fn expects_something(&self) -> bool {
        self.gives.is_some()
            || self.teams.is_some()
            || self.roles.is_some()
            || self.permissions.is_some()
            || self.line.is_some()
            || self.language.is_some()
    }
}

/// A rule, as far as examples look at it.
#[derive(Debug)]
pub struct Subject<'r> {
    /// What it looks at.
    pub source: RuleSource,
    /// Its groups: the folded name and the id, where there is one.
    pub groups: Vec<(&'r str, Option<String>)>,
    /// What must hold of the user's own attributes.
    pub when: Option<&'r Filter>,
    /// The names of the teams that it gives.
    pub teams: BTreeSet<String>,
    /// The names of the roles that it gives.
    pub roles: BTreeSet<String>,
    /// The permissions that it gives.
    pub permissions: BTreeSet<String>,
    /// The line that it fills in.
    pub line: Option<LinePolicy>,
    /// The language that it fills in.
    pub language: Option<&'r str>,
}

/// Holds the examples against a rule; the first that does not come out is an error, which says what
/// came out instead.
pub fn check(examples: &[Example], rule: &Subject<'_>) -> Result<()> {
    if examples.len() > MOST {
        return Err(Error::value(format!("a rule has at most {MOST} examples")));
    }
    for (number, example) in (1..).zip(examples) {
        let wrong = |what: String| Err(Error::value(format!("example {number}: {what}")));
        if serde_json::to_string(example).map_or(0, |text| text.len()) > BYTES {
            return wrong(format!("it has more than {BYTES} bytes"));
        }
        let (is_of_user, is_of_member) = (
            !example.user.is_empty() || !example.groups.is_empty(),
            !example.member.is_empty(),
        );
        match rule.source {
            RuleSource::Profile if is_of_user => {
                return wrong("a rule over profiles looks at member, not at user or groups".into());
            }
            RuleSource::Directory if is_of_member => {
                return wrong(
                    "a rule of a directory looks at user and groups, not at member".into(),
                );
            }
            RuleSource::Directory | RuleSource::Profile => {}
        }
        if !example.expects_something() {
            let all = "gives, teams, roles, permissions, line or language";
            return wrong(format!("it expects nothing; say {all}"));
        }
        let holds = holds(example, rule);
        if let Some(gives) = example.gives.filter(|gives| *gives != holds) {
            let (found, expected) = (told(holds), told(gives));
            return wrong(format!(
                "the rule {found}, and is expected to be one that {expected}"
            ));
        }
        for (what, expected, gives) in [
            ("teams", &example.teams, &rule.teams),
            ("roles", &example.roles, &rule.roles),
            ("permissions", &example.permissions, &rule.permissions),
        ] {
            let nothing = BTreeSet::new();
            let gives = if holds { gives } else { &nothing };
            let Some(expected) = expected else {
                continue;
            };
            if keys(expected) != keys(gives) {
                let (gives, expected) = (list(gives), list(expected));
                return wrong(format!(
                    "the rule gives {what} {gives}, expected are {expected}"
                ));
            }
        }
        let line = rule.line.filter(|_| holds).map(line_name);
        let language = rule.language.filter(|_| holds);
        for (what, expected, fills_in) in [
            ("line", example.line.map(ExpectedLine::name), line),
            ("language", example.language.as_deref(), language),
        ] {
            let Some(expected) = expected else {
                continue;
            };
            let fills_in = fills_in.unwrap_or(NOTHING);
            if !fills_in.eq_ignore_ascii_case(expected) {
                return wrong(format!(
                    "the rule fills in {what} {fills_in}, expected is {expected}"
                ));
            }
        }
    }
    Ok(())
}

fn line_name(line: LinePolicy) -> &'static str {
    match line {
        LinePolicy::Numberless => "numberless",
        LinePolicy::Numbered => "numbered",
    }
}

fn told(holds: bool) -> &'static str {
    if holds { "gives" } else { "does not give" }
}

fn holds(example: &Example, rule: &Subject<'_>) -> bool {
    let is_in = |(key, id): &(&str, Option<String>)| {
        let mut groups = example.groups.iter();
        groups.any(|group| fold::key(group) == *key || Some(group) == id.as_ref())
    };
    let seen = match rule.source {
        RuleSource::Directory => &example.user,
        RuleSource::Profile => &example.member,
    };
    let seen = Value::Object(seen.clone());
    rule.groups.iter().all(is_in) && rule.when.is_none_or(|when| evaluate::matches(when, &seen))
}

fn keys(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().map(|name| fold::key(name)).collect()
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Example, Subject, check};
    use crate::scim::{filter, schema};
    use crate::store::rule_sources::RuleSource;
    use crate::store::rules::LinePolicy;

    #[test]
    fn an_example_that_does_not_come_out_says_what_did() {
        let when = filter::parse("title eq lead", schema::user()).unwrap();
        let rule = Subject {
            source: RuleSource::Directory,
            groups: vec![("sales", Some("7".to_owned()))],
            when: Some(&when),
            teams: ["Sales".to_owned()].into(),
            roles: [].into(),
            permissions: ["members.read".to_owned()].into(),
            line: Some(LinePolicy::Numbered),
            language: Some("de-AT"),
        };
        let run = |example: serde_json::Value| {
            let example: Example = serde_json::from_value(example).unwrap();
            check(&[example], &rule).map_err(|error| error.to_string())
        };
        let good = |example| assert_eq!(run(example), Ok(()));
        let bad = |example, part: &str| {
            let error = run(example).unwrap_err();
            assert!(
                error.starts_with("example 1: ") && error.contains(part),
                "{error}"
            );
        };
        let lead = json!({"title": "Lead"});
        good(json!({"groups": ["SALES"], "user": lead, "gives": true, "teams": ["sales"]}));
        good(json!({"groups": ["7"], "user": lead, "gives": true, "roles": []}));
        good(json!({"groups": ["Sales"], "gives": false, "teams": []}));
        good(json!({"user": lead, "gives": false}));
        bad(
            json!({"groups": ["Sales"], "user": lead, "gives": false}),
            "the rule gives",
        );
        bad(json!({"groups": ["Sales"], "gives": true}), "does not give");
        bad(
            json!({"groups": ["Sales"], "user": lead, "teams": []}),
            "\"Sales\"",
        );
        bad(json!({"groups": ["Sales"], "teams": ["Sales"]}), "none");
        bad(json!({"groups": ["Sales"]}), "expects nothing");
        let held = |expected: serde_json::Value| {
            let mut example = json!({"groups": ["Sales"], "user": lead});
            example["permissions"] = expected["permissions"].clone();
            example["line"] = expected["line"].clone();
            example["language"] = expected["language"].clone();
            example
        };
        good(held(json!({"permissions": ["members.read"]})));
        good(held(json!({"line": "numbered", "language": "de-at"})));
        bad(held(json!({"permissions": []})), "\"members.read\"");
        bad(
            held(json!({"permissions": ["members.read", "keys.manage"]})),
            "expected are \"keys.manage\", \"members.read\"",
        );
        bad(
            held(json!({"line": "numberless"})),
            "fills in line numbered, expected is numberless",
        );
        bad(held(json!({"language": "de"})), "language de-AT");
        bad(
            json!({"groups": ["Sales"], "language": "de-AT"}),
            "language none",
        );
        bad(
            held(json!({"line": "none"})),
            "fills in line numbered, expected is none",
        );
        bad(held(json!({"language": "none"})), "expected is none");
        good(json!({"groups": ["Sales"], "line": "none", "language": "none"}));
        good(json!({"groups": ["Sales"], "permissions": []}));
    }
}
