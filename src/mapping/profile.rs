//! Rules over members' own profiles: what such a rule may look at, and what it sees.
//!
//! The filter is over members as `schemas/member.json` describes them, like that of a search. Of their
//! fields a rule may look at those alone that are said of the person from outside:
//!
//! * nothing that rules give or fill in (teams, roles, permissions, access, line, language): the rule
//!   would hold or not because of itself;
//! * nothing that comes of how the member stands (status, times, version, seat, shut out, protected, who
//!   wrote which field): it changes by itself, and rights are masked by it already;
//! * not the directories that have the person: a rule of the directory says that, and keeps its id where
//!   an admin may give it another name;
//! * where it gives a team, a role or a permission, nothing that people write themselves
//!   ([`Field::OWN`]): whoever wrote another name or picture would give herself rights. A rule that
//!   only fills in a line or a language may look at these.
//!
//! What is left is an admin's or a directory's word: address, user name, `UserID`, phone, manager and
//! the way in. No address stands in a profile that nobody but the person herself has said. A manager
//! who was removed is seen until another one is named: nobody loses anything because somebody else left.
//!
//! Whoever a directory brought in for somebody who was expected, by an address that nobody proved, gets
//! nothing by such rules before an admin adopts that one or the person proves the mailbox, as it gets
//! nothing by hand: what admins wrote, they wrote of the person whom they expected.

use serde_json::{Value, json};

use super::when;
use crate::error::{Error, Result};
use crate::scim::filter::{self, Filter};
use crate::scim::schema;
use crate::store::profiles::Profile;
use crate::workspace::profile::Field;

/// The fields that any rule may look at.
const OPEN: [&str; 6] = [
    "user_name",
    "email",
    "user_id",
    "phone",
    "manager",
    "source",
];

/// The fields that a rule may look at which gives no right.
const OPEN_WITHOUT_RIGHTS: [Field; 5] = [
    Field::DisplayName,
    Field::GivenName,
    Field::FamilyName,
    Field::TimeZone,
    Field::Picture,
];

/// Fields that rules set.
const SET_BY_RULES: [&str; 6] = [
    "teams",
    "roles",
    "permissions",
    "access",
    "line",
    "language",
];

/// What comes of a rule that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Teams, roles or permissions, be it that it keeps others from giving them.
    Rights,
    /// A line or a language alone.
    Fields,
}

/// Reads what an admin wrote, and gives the canonical text, which is what a rule keeps. Whether a rule
/// may look at that is asked by [`check`].
pub fn canonical(text: &str) -> Result<String> {
    let when = filter::parse(text, schema::member())?;
    let canonical = when.to_string();
    // It may have grown beyond what is read again.
    if filter::parse(&canonical, schema::member())? != when {
        return Err(Error::value("`when` cannot be kept as it is"));
    }
    Ok(canonical)
}

/// Refuses a filter that looks at a field which a rule that gives such things may not look at; the error
/// names those which it may.
pub fn check(when: &Filter, gives: Gives) -> Result<()> {
    for name in when::names(when) {
        let is_own = OPEN_WITHOUT_RIGHTS.iter().any(|field| field.name() == name);
        if OPEN.contains(&name) || is_own && gives == Gives::Fields {
            continue;
        }
        let why = if SET_BY_RULES.contains(&name) {
            "rules set it"
        } else if is_own {
            "people write it themselves, and the rule gives rights"
        } else {
            "it is not what is said of the person"
        };
        let mut open = OPEN.to_vec();
        if gives == Gives::Fields {
            open.extend(OPEN_WITHOUT_RIGHTS.map(Field::name));
        }
        let open = open.join(", ");
        return Err(Error::value(format!(
            "`when` of a rule over profiles must not name {name}: {why}; it may name {open}"
        )));
    }
    Ok(())
}

/// A profile as rules see it: in the names of `schemas/member.json`, without what is empty and without
/// the fields that no rule looks at.
pub fn seen(profile: &Profile) -> Value {
    let manager = profile.manager.map(|manager| manager.to_string());
    let texts = [
        ("user_name", &profile.user_name),
        ("email", &profile.email),
        ("user_id", &profile.user_id),
        ("display_name", &profile.display_name),
        ("given_name", &profile.given_name),
        ("family_name", &profile.family_name),
        ("phone", &profile.phone),
        ("time_zone", &profile.time_zone),
        ("manager", &manager),
        ("picture", &profile.picture),
    ];
    let texts = texts.into_iter();
    let there = texts.filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
    let source = std::iter::once(("source", json!(profile.source)));
    let seen = there.chain(source);
    seen.map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Gives, OPEN, OPEN_WITHOUT_RIGHTS, SET_BY_RULES};
    use crate::error::Result;
    use crate::scim::{filter, schema};
    use crate::workspace::profile::Field;

    fn canonical(text: &str, gives: Gives) -> Result<String> {
        let canonical = super::canonical(text)?;
        super::check(&filter::parse(&canonical, schema::member())?, gives)?;
        Ok(canonical)
    }

    #[test]
    fn a_rule_over_profiles_looks_at_what_is_said_of_the_person_alone() {
        let check = |text: &str, expect: &str| {
            assert_eq!(canonical(text, Gives::Rights).unwrap(), expect);
        };
        check("User_ID Sw X", r#"user_id sw "X""#);
        check(
            r#"email ew "@acme.example" and not (phone pr)"#,
            r#"email ew "@acme.example" and not (phone pr)"#,
        );
        for (refused, part) in [
            (r#"teams eq "Sales""#, "rules set it"),
            (
                r#"user_id pr or not (roles eq "admin")"#,
                "must not name roles: rules set it",
            ),
            (
                r#"line.kind eq "numbered""#,
                "must not name line: rules set it",
            ),
            (r#"access[team eq "x"]"#, "rules set it"),
            (r#"language eq "de""#, "rules set it"),
            (r#"status eq "active""#, "not what is said of the person"),
            ("waiting_at pr", "not what is said"),
            ("version gt 1", "not what is said"),
            (r#"id eq "x""#, "not what is said"),
            (r#"directories eq "idp""#, "not what is said"),
            ("protected eq true", "not what is said"),
            (r#"display_name eq "Boss""#, "people write it themselves"),
            (
                r#"time_zone eq "Europe/Vienna""#,
                "it may name user_name, email, user_id, phone, manager, source",
            ),
            ("meta.created pr", "not what is said"),
        ] {
            let error = canonical(refused, Gives::Rights).unwrap_err().to_string();
            assert!(error.contains(part), "{refused}: {error}");
        }
        for refused in ["", "user_id", "unheard eq 1", r#"title eq "Lead""#] {
            assert!(canonical(refused, Gives::Rights).is_err(), "{refused}");
        }
        for own in OPEN_WITHOUT_RIGHTS {
            let text = format!("{} pr", own.name());
            assert!(canonical(&text, Gives::Fields).is_ok(), "{text}");
            assert!(canonical(&text, Gives::Rights).is_err(), "{text}");
        }
        assert!(canonical(r#"language eq "de""#, Gives::Fields).is_err());
    }

    #[test]
    fn what_people_write_themselves_is_open_to_no_rule_that_gives_rights() {
        for own in Field::OWN {
            assert!(!OPEN.contains(&own.name()), "{}", own.name());
        }
        let known = |name: &&str| schema::member().attribute(name).is_some();
        assert!(OPEN.iter().chain(&SET_BY_RULES).all(known));
    }
}
