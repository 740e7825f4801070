//! What must hold of a user's own attributes: `when`, in the SCIM filter language.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::scim::filter::{self, Filter};
use crate::scim::path::Resolved;
use crate::scim::schema::ResourceType;

/// Attributes that no rule may look at, each with the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "groups",
        "`when` must not name groups: their names are the directory's to change, so a rule names \
         its groups beside `when` and keeps their ids",
    ),
    (
        "id",
        "`when` must not name id: a rule is for whoever satisfies it",
    ),
    (
        "meta",
        "`when` must not name meta: it is not what the directory says of a person",
    ),
    (
        "schemas",
        "`when` must not name schemas: it is not what the directory says of a person",
    ),
];

/// Reads what an admin wrote, for a workspace's type of Users; gives the canonical text, which is
/// what a rule keeps.
pub fn canonical(text: &str, user: &'static ResourceType) -> Result<String> {
    let when = filter::parse(text, user)?;
    for path in paths(&when) {
        let name = path.attribute.name.as_str();
        let refused = REFUSED.iter().find(|refused| refused.0 == name);
        if let Some((_, reason)) = refused.filter(|_| path.extension.is_none()) {
            return Err(Error::value(*reason));
        }
    }
    let canonical = when.to_string();
    // It names attributes in full and may have grown beyond what is read again.
    if filter::parse(&canonical, user)? != when {
        return Err(Error::value("`when` cannot be kept as it is"));
    }
    Ok(canonical)
}

/// The attributes that a filter looks at, in canonical text.
pub fn attributes(when: &Filter) -> BTreeSet<String> {
    paths(when).into_iter().map(Resolved::key).collect()
}

/// The names of the attributes that a filter looks at.
pub(super) fn names(when: &Filter) -> BTreeSet<&'static str> {
    let paths = paths(when).into_iter();
    paths.map(|path| path.attribute.name.as_str()).collect()
}

fn paths(filter: &Filter) -> Vec<Resolved> {
    match filter {
        Filter::And(inner) | Filter::Or(inner) => inner.iter().flat_map(paths).collect(),
        Filter::Not(inner) => paths(inner),
        Filter::Compare { path, .. } | Filter::Present { path } => vec![*path],
        Filter::ValuePath {
            path, filter, sub, ..
        } => {
            let part = sub.map_or(*path, |sub| path.with_sub(sub));
            [vec![part], paths(filter)].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Result;
    use crate::scim::schema;

    fn canonical(text: &str) -> Result<String> {
        super::canonical(text, schema::user())
    }

    // C059
    #[test]
    fn what_a_rule_keeps_is_canonical_and_names_what_the_directory_says() {
        let check = |text: &str, expect: &str| assert_eq!(canonical(text).unwrap(), expect);
        check("TITLE Eq boss", r#"title eq "boss""#);
        check(r#"active eq "True""#, "active eq true");
        check(r#"title co "(a+)+$""#, r#"title co "(a+)+$""#);
        check(
            "department eq x",
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x""#,
        );
        for refused in [
            "",
            "title",
            r#"groups.display eq "Admins""#,
            r#"groups[display eq "Admins"]"#,
            r#"title eq "x" or not (groups.value eq "g")"#,
            r#"groups eq "g""#,
            r#"password eq "x""#,
            "password pr",
            r#"id eq "x""#,
            r#"meta.created gt "2020-01-01T00:00:00Z""#,
            "unheard eq 1",
        ] {
            assert!(canonical(refused).is_err(), "{refused}");
        }
        assert!(canonical(&format!("title co \"{}\"", "a".repeat(10_000_000))).is_err());
        let terms = |count: usize| vec!["title pr"; count].join(" and ");
        assert!(canonical(&terms(100)).is_ok());
        assert!(canonical(&terms(101)).is_err());
        // Short as it is written, too long as it would be kept.
        let long = vec!["division pr"; 100].join(" or ");
        assert!(long.len() < 4096);
        assert!(canonical(&long).is_err());
    }
}
