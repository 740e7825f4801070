//! What changes tell of what a member shows: every field, sealed with the person's key, and in clear
//! what a rule says of one, which is nobody's own. Versions before told fewer fields, so that of some
//! it is not known what a member showed; their changes are read like those of now.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::profile::{Field, Line};
use crate::store::details::Details;
use crate::store::members::Profile;

/// The names and the address of a member.
pub fn profile(profile: &Profile) -> Value {
    json!({
        "user_name": profile.user_name, "display_name": profile.display_name,
        "given_name": profile.given_name, "family_name": profile.family_name,
        "email": profile.email,
    })
}

/// What a member shows beside these.
pub fn details(details: &Details) -> Value {
    json!({
        "user_id": details.user_id, "phone": details.phone, "line": line(details),
        "language": details.language, "time_zone": details.time_zone,
        "manager": details.manager, "picture": details.picture,
    })
}

/// All that a member shows.
pub fn all(of: &Profile, beside: &Details) -> Value {
    let mut all = profile(of);
    if let (Some(all), Value::Object(beside)) = (all.as_object_mut(), details(beside)) {
        all.extend(beside);
    }
    all
}

/// The line of a member.
pub fn line(details: &Details) -> Option<Line> {
    Line::of(details.line.as_deref(), details.line_number.clone())
}

/// What a member showed, as far as changes tell.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Shown {
    /// The values by name; one that is missing was not there.
    #[serde(flatten)]
    pub values: Map<String, Value>,
    /// Fields of which no change tells what they showed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub untold: BTreeSet<Field>,
    /// Fields that a rule said.
    #[serde(skip)]
    pub ruled: BTreeSet<Field>,
}

impl Shown {
    /// What a field showed; null where it was empty.
    pub fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// Goes on to what was after a change: its kind, its detail and its personal values. What rules
    /// say is left out of somebody who was erased.
    pub fn take(&mut self, kind: &str, detail: &Value, personal: Option<Value>, erased: bool) {
        if kind == "member.erased" {
            *self = Self::default();
            return;
        }
        let named: BTreeSet<Field> = match kind {
            "member.updated" => {
                serde_json::from_value(detail["fields"].clone()).unwrap_or_default()
            }
            _ => BTreeSet::new(),
        };
        let mut told = match personal {
            Some(Value::Object(personal)) => personal,
            _ => Map::new(),
        };
        self.untold.extend(&named);
        self.older(&named, &mut told);
        for (name, value) in told {
            self.tell(&name, value, &named);
        }
        if let Some(shown) = detail["shown"].as_object().filter(|_| !erased) {
            for (name, value) in shown.clone() {
                let is_there = !value.is_null();
                self.tell(&name, value, &named);
                self.ruled.extend(field(&name).filter(|_| is_there));
            }
        }
        for field in &self.untold {
            self.values.remove(field.name());
        }
    }

    fn tell(&mut self, name: &str, value: Value, named: &BTreeSet<Field>) {
        if let Some(field) = field(name) {
            self.untold.remove(&field);
            if named.contains(&field) || self.value(name) != &value {
                self.ruled.remove(&field);
            }
        }
        self.values.insert(name.to_owned(), value);
    }

    /// What versions before left out: of a directory's names, and of what it says beside them; and
    /// they told a line by its number alone.
    fn older(&mut self, named: &BTreeSet<Field>, told: &mut Map<String, Value>) {
        if named.is_empty() && told.contains_key("display_name") {
            self.untold.extend([Field::GivenName, Field::FamilyName]);
        }
        if told.contains_key("manager") {
            self.untold.extend([Field::Language, Field::TimeZone]);
        }
        if let Some(Value::String(number)) = told.remove("line_number") {
            let line = json!({"kind": "numbered", "number": number});
            told.entry("line").or_insert(line);
        }
    }
}

fn field(name: &str) -> Option<Field> {
    let mut all = Field::ALL.into_iter();
    all.find(|field| field.name() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Field, Shown};

    fn after(changes: &[(Value, Value)]) -> Shown {
        let mut shown = Shown::default();
        for (detail, personal) in changes {
            shown.take("member.updated", detail, Some(personal.clone()), false);
        }
        shown
    }

    #[test]
    fn what_a_version_before_left_out_is_not_known_until_it_is_told() {
        let names = json!({"user_name": "ada", "display_name": "Ada", "email": null});
        let shown = after(&[(json!({}), names.clone())]);
        assert_eq!(shown.value("display_name"), "Ada");
        assert_eq!(
            shown.untold,
            [Field::GivenName, Field::FamilyName].into(),
            "what it never was asked for was empty"
        );
        let edit = json!({
            "display_name": "Ada", "email": null, "user_id": "A-1", "phone": null,
            "line_number": "+12025550123",
        });
        let fields = json!({"fields": ["user_id", "line", "picture"]});
        let shown = after(&[(json!({}), names), (fields, edit)]);
        assert_eq!(shown.value("user_id"), "A-1");
        assert_eq!(shown.value("line")["number"], "+12025550123");
        assert!(shown.untold.contains(&Field::Picture));
        assert!(!shown.untold.contains(&Field::Phone));
    }

    #[test]
    fn what_a_rule_says_is_known_as_that_until_somebody_else_says_it() {
        let mut shown = Shown::default();
        let by_rule = json!({"fields": ["language"], "shown": {"language": "de"}});
        shown.take("member.updated", &by_rule, None, false);
        assert_eq!(shown.ruled, [Field::Language].into());
        let all = json!({"phone": "+431588044", "language": "de"});
        shown.take(
            "member.updated",
            &json!({"fields": ["phone"]}),
            Some(all.clone()),
            false,
        );
        assert_eq!(shown.ruled, [Field::Language].into());
        shown.take(
            "member.updated",
            &json!({"fields": ["language"]}),
            Some(all),
            false,
        );
        assert!(shown.ruled.is_empty());
        shown.take("member.erased", &json!({}), None, true);
        assert!(shown.values.is_empty());
    }
}
