//! Our schemas against those that RFC 7643 section 8.7 prints: the same attributes with the same
//! characteristics, but for the differences listed here.

use std::collections::BTreeMap;

use gatehouse::scim::registry::Registry;
use gatehouse::scim::schema::Attribute;
use serde::Deserialize;

/// Where we differ on purpose.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "User.addresses.primary: added",
        "section 2.4 gives it to every multi-valued attribute, and clients send it",
    ),
    (
        "User.x509Certificates.value: case_exact",
        "section 2.3.6: binary values are case exact",
    ),
    ("Group.displayName: required", "section 4.2: it is required"),
    (
        "Group.displayName: uniqueness",
        "a name finds one group: clients match by it, and the validators expect 409",
    ),
    (
        "Group.members.display: added",
        "section 2.4 and the example of section 8.4 have it",
    ),
    (
        "ServiceProviderConfig.etag: added",
        "section 5 has it; the example forgot it",
    ),
    (
        "ServiceProviderConfig.authenticationSchemes.type: added",
        "section 5 has it; the example forgot it",
    ),
    (
        "ServiceProviderConfig.authenticationSchemes.primary: added",
        "the example of section 8.5 has it",
    ),
    (
        "ServiceProviderConfig.pagination: added",
        "RFC 9865 section 2.3",
    ),
    (
        "ResourceType.schemaExtensions: required",
        "section 6: optional",
    ),
    (
        "ResourceType.schemaExtensions: multi_valued",
        "section 6 and the example of section 8.6: a list",
    ),
    (
        "Schema.attributes.subAttributes.referenceTypes: multi_valued",
        "section 7: an array; so it is one level up",
    ),
    (
        "Schema.attributes.type: canonical_values",
        "section 7 names binary as well",
    ),
    (
        "Schema.attributes.subAttributes.type: canonical_values",
        "section 7 names binary as well, and a part is never complex (section 2.3.8)",
    ),
];

#[derive(Deserialize)]
struct Printed {
    id: String,
    attributes: Vec<Attribute>,
}

fn compare(at: &str, printed: &[Attribute], ours: &[Attribute], found: &mut Vec<String>) {
    let by_name = |attributes: &[Attribute]| -> BTreeMap<String, Attribute> {
        let named = attributes.iter();
        named
            .map(|attribute| (attribute.name.clone(), attribute.clone()))
            .collect()
    };
    let (printed, ours) = (by_name(printed), by_name(ours));
    for name in printed.keys().filter(|name| !ours.contains_key(*name)) {
        found.push(format!("{at}.{name}: missing"));
    }
    for (name, ours) in &ours {
        let at = format!("{at}.{name}");
        let Some(printed) = printed.get(name) else {
            found.push(format!("{at}: added"));
            continue;
        };
        for (what, differs) in [
            ("kind", printed.kind != ours.kind),
            ("multi_valued", printed.multi_valued != ours.multi_valued),
            ("required", printed.required != ours.required),
            ("case_exact", printed.case_exact != ours.case_exact),
            ("mutability", printed.mutability != ours.mutability),
            ("returned", printed.returned != ours.returned),
            ("uniqueness", printed.uniqueness != ours.uniqueness),
            (
                "canonical_values",
                printed.canonical_values != ours.canonical_values,
            ),
            (
                "reference_types",
                printed.reference_types != ours.reference_types,
            ),
        ] {
            if differs {
                found.push(format!("{at}: {what}"));
            }
        }
        compare(&at, &printed.sub_attributes, &ours.sub_attributes, found);
    }
}

// RFC 7643 section 8.7
#[test]
fn schemas_are_those_of_the_standard_but_for_the_listed_differences() {
    let printed: Vec<Printed> =
        serde_json::from_str(include_str!("../fixtures/rfc/schemas.json")).unwrap();
    assert_eq!(printed.len(), 6);
    let mut found = Vec::new();
    for printed in &printed {
        let ours = Registry::built_in()
            .schema(&printed.id)
            .expect("a schema of that URN");
        let name = ours.id.rsplit(':').next().unwrap();
        compare(name, &printed.attributes, &ours.attributes, &mut found);
    }
    let mut listed: Vec<_> = DIFFERENCES
        .iter()
        .map(|(difference, _)| (*difference).to_owned())
        .collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}
