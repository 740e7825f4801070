//! PATCH of groups.

use super::*;
use crate::scim::evaluate::matches_element;
use crate::scim::resource::MemberRef;

fn refs(ids: &[&str]) -> Vec<MemberRef> {
    ids.iter()
        .map(|id| MemberRef {
            value: (*id).to_owned(),
            kind: None,
        })
        .collect()
}

fn patch(operations: Value) -> Result<Applied> {
    let mut group = document(json!({"displayName": "Crew"}));
    try_patch(schema::group(), &mut group, operations, Strictness::Lenient)
}

fn check(operation: Value, expect: &[MembersOperation]) {
    let shown = operation.to_string();
    let applied = patch(json!([operation])).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(applied.members, expect, "{shown}");
    assert!(!applied.changed, "{shown}");
}

#[test]
fn members_are_added_in_every_shape() {
    let add = [MembersOperation::Add(refs(&["a"]))];
    for value in [
        json!([{"$ref": null, "value": "a"}]),
        json!("a"),
        json!(["a", "a"]),
        json!({"value": "a"}),
        json!([{"displayName": "new User", "value": "a"}]),
    ] {
        check(
            json!({"op": "Add", "path": "members", "value": value, "name": "addMember"}),
            &add,
        );
        check(json!({"op": "add", "value": {"members": value}}), &add);
    }
    check(
        json!({"op": "add", "path": "members[value eq \"a\"]"}),
        &add,
    );
    check(json!({"op": "add", "path": "members", "value": []}), &[]);
    check(json!({"op": "add", "path": "members", "value": null}), &[]);
}

// C038
#[test]
fn removal_takes_exactly_those_who_are_named() {
    let gone = [MembersOperation::Remove(refs(&["a"]))];
    check(
        json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}),
        &gone,
    );
    check(
        json!({"op": "remove", "path": "members[value eq \"a\"]"}),
        &gone,
    );
    check(
        json!({"op": "remove", "path": "MEMBERS[VALUE Eq \"a\"]"}),
        &gone,
    );
    check(
        json!({"op": "remove", "value": {"members": [{"value": "a"}]}}),
        &gone,
    );
    check(
        json!({"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"}),
        &[MembersOperation::Remove(refs(&["a", "b"]))],
    );
    check(json!({"op": "Remove", "path": "members", "value": []}), &[]);
    check(
        json!({"op": "remove", "path": "members"}),
        &[MembersOperation::Clear],
    );
    check(
        json!({"op": "remove", "path": "members", "value": null}),
        &[MembersOperation::Clear],
    );
    let done =
        patch(json!([{"op": "remove", "path": "members[display eq \"kim\" and value eq \"a\"]"}]));
    match done.unwrap().members.as_slice() {
        [MembersOperation::RemoveMatching(filter)] => {
            assert!(matches_element(
                filter,
                &json!({"value": "a", "display": "Kim"})
            ));
            assert!(!matches_element(
                filter,
                &json!({"value": "a", "display": "Jo"})
            ));
        }
        other => panic!("{other:?}"),
    }
    for path in [
        "members.zzz",
        "members[zzz eq \"a\"]",
        "members[value eq \"a\"].zzz",
    ] {
        let result = patch(json!([{"op": "remove", "path": path}]));
        assert_eq!(kind_of(result), Invalid::Path, "{path}");
    }
    for value in [
        json!(""),
        json!({}),
        json!([{"id": "a"}]),
        json!([{"value": {}}]),
        json!(true),
    ] {
        let result = patch(json!([{"op": "remove", "path": "members", "value": value}]));
        assert_eq!(kind_of(result), Invalid::Value, "{value}");
    }
    let result = patch(json!([{"op": "remove", "path": "members[value eq \"a\"].display"}]));
    assert_eq!(kind_of(result), Invalid::Mutability);
}

#[test]
fn replacing_members_sets_exactly_these() {
    let both = [MembersOperation::Replace(refs(&["a", "b"]))];
    let value = json!([{"value": "a", "display": "x"}, {"value": "b"}]);
    check(
        json!({"op": "replace", "path": "members", "value": value}),
        &both,
    );
    check(json!({"op": "replace", "value": {"members": value}}), &both);
    for none in [json!([]), json!(null), json!("")] {
        check(
            json!({"op": "Replace", "path": "members", "value": none}),
            &[MembersOperation::Clear],
        );
    }
    check(
        json!({"op": "replace", "path": "members[value eq \"a\"]", "value": [{"value": "b"}]}),
        &[
            MembersOperation::Remove(refs(&["a"])),
            MembersOperation::Add(refs(&["b"])),
        ],
    );
}

#[test]
fn operations_keep_their_order_and_join_up() {
    let add = |id: &str| json!({"op": "add", "path": "members", "value": [{"value": id}]});
    let remove = |id: &str| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")});
    let applied = patch(json!([
        add("a"),
        add("b"),
        remove("a"),
        remove("c"),
        add("d")
    ]))
    .unwrap();
    assert_eq!(
        applied.members,
        [
            MembersOperation::Add(refs(&["a", "b"])),
            MembersOperation::Remove(refs(&["a", "c"])),
            MembersOperation::Add(refs(&["d"])),
        ]
    );
}

#[test]
fn a_rename_says_nothing_of_members() {
    let applied =
        patch(json!([{"op": "replace", "value": {"id": ID, "displayName": "New"}}])).unwrap();
    assert!(applied.changed && applied.members.is_empty());
    assert_eq!(applied.changed_attributes, ["displayName"]);
    let same =
        patch(json!([{"op": "replace", "value": {"id": ID, "displayName": "Crew"}}])).unwrap();
    assert!(!same.changed);
    let both = json!([{"op": "replace", "value": {"members": [], "id": ID, "displayName": "X"}}]);
    assert_eq!(patch(both).unwrap().members, [MembersOperation::Clear]);
    let result = patch(json!([{"op": "replace", "path": "displayName", "value": ""}]));
    assert_eq!(kind_of(result), Invalid::Value);
}

#[test]
fn members_without_operations_are_read_as_version_1_says() {
    fn read(body: Value) -> Result<Applied> {
        let mut group = document(json!({"displayName": "Crew"}));
        apply(
            schema::group(),
            &parse(body)?,
            &mut group,
            ID,
            Strictness::Lenient,
        )
    }
    let members = json!([
        {"value": "a", "operation": "add"}, {"value": "b", "operation": "Delete"}, {"value": "c"}, "d",
    ]);
    let applied = read(json!({"schemas": ["urn:scim:schemas:core:1.0"], "Members": members}));
    assert_eq!(
        applied.unwrap().members,
        [
            MembersOperation::Remove(refs(&["b"])),
            MembersOperation::Add(refs(&["a", "c", "d"])),
        ]
    );
    let applied = read(json!({"displayName": "New", "id": ID, "members": []})).unwrap();
    assert_eq!(applied.changed_attributes, ["displayName"]);
    assert!(applied.members.is_empty());
    for bad in [
        json!({"members": [{"value": "a", "operation": "purge"}]}),
        json!({"members": [{"value": "a", "operation": null}]}),
        json!({"members": {"value": "a"}}),
        json!({"displayName": "New"}),
        json!({"members": [], "Operations": {}}),
    ] {
        let shown = bad.to_string();
        assert_eq!(kind_of(read(bad)), Invalid::Syntax, "{shown}");
    }
}
