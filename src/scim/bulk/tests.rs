//! What comes of a Bulk request before anything is done.

use serde_json::json;

use super::*;

fn types() -> &'static Registry {
    Registry::with(&[]).unwrap()
}

fn request(operations: &Value) -> Request {
    parse(json!({"Operations": operations}), 2_000, types()).unwrap()
}

fn post(bulk_id: &str, refers: &[&str]) -> Value {
    let members: Vec<_> = refers.iter().map(|id| format!("bulkId:{id}")).collect();
    let data = json!({"members": members});
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data})
}

// C055
#[test]
fn a_malformed_operation_fails_alone() {
    let good = post("a", &[]);
    for bad in [
        json!({"method": "POST", "path": "/../console/api", "bulkId": "b", "data": {}}),
        json!({"method": "POST", "path": "https://host/Users", "bulkId": "b", "data": {}}),
        json!({"method": "PATCH", "path": "/Users/%2e%2e/Groups", "data": {}}),
        json!({"method": "PATCH", "path": "/Users/a?b=c", "data": {}}),
        json!({"method": "PATCH", "path": "/Users/a/b", "data": {}}),
        json!({"method": "PATCH", "path": "/Users/", "data": {}}),
        json!({"method": "PATCH", "path": "/Users", "data": {}}),
        json!({"method": "DELETE", "path": "Users/1"}),
        json!({"method": "GET", "path": "/Users/1"}),
        json!({"method": "post", "path": "/Users", "bulkId": "b", "data": {}}),
        json!({"method": "POST", "path": "/Users/1", "bulkId": "b", "data": {}}),
        json!({"method": "POST", "path": "/Users", "data": {}}),
        json!({"method": "POST", "path": "/Users", "bulkId": "b"}),
        json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}),
        json!({"method": "DELETE", "path": "/Users/1", "version": ["W/\"1\""]}),
        json!({"path": 7}),
        json!("POST"),
    ] {
        let request = request(&json!([good, bad]));
        assert!(request.operations[0].task.is_ok());
        assert!(request.operations[1].task.is_err(), "{bad}");
    }
}

// C053
#[test]
fn a_malformed_request_is_refused_whole() {
    for body in [
        json!([]),
        json!({}),
        json!({"Operations": {}}),
        json!({"Operations": [], "failOnErrors": -1}),
        json!({"Operations": [], "failOnErrors": "1"}),
    ] {
        assert!(parse(body, 10, types()).is_err());
    }
    let eleven = vec![json!({}); 11];
    let error = parse(json!({"Operations": eleven}), 10, types()).unwrap_err();
    assert!(matches!(error, Error::TooManyOperations(10)));
}

// C054
#[test]
fn what_is_referred_to_comes_first() {
    let check = |operations: Value, expect: &[(usize, bool)]| {
        let plan = request(&operations).plan();
        let plan: Vec<_> = plan.iter().map(|it| (it.index, it.is_circular)).collect();
        assert_eq!(plan, expect, "{operations}");
    };
    check(
        json!([post("a", &[]), post("b", &["a"])]),
        &[(0, false), (1, false)],
    );
    check(
        json!([post("a", &["b"]), post("b", &[])]),
        &[(1, false), (0, false)],
    );
    check(json!([post("a", &["a"])]), &[(0, true)]);
    check(
        json!([
            post("c", &["a"]),
            post("a", &["b"]),
            post("b", &["a", "nobody"])
        ]),
        &[(2, true), (1, true), (0, false)],
    );
    let delete = json!({"method": "DELETE", "path": "/Groups/bulkId:a"});
    check(json!([delete, post("a", &[])]), &[(1, false), (0, false)]);
    let chain: Vec<_> = (0..1_000)
        .map(|at| post(&at.to_string(), &[&(at + 1).to_string()]))
        .collect();
    let plan = request(&json!(chain)).plan();
    assert_eq!(plan.first().map(|step| step.index), Some(999));
    assert_eq!(plan.len(), 1_000);
}

#[test]
fn references_become_ids() {
    let operations = json!([{
        "method": "PATCH", "path": "/Groups/bulkId:g",
        "data": {"Operations": [
            {"op": "add", "path": "members", "value": ["bulkId:u"]},
            {"op": "remove", "path": "members[value eq \"bulkId:u\" or value eq \"x\"]"},
        ]},
    }]);
    let mut task = request(&operations).operations[0].task.clone().unwrap();
    assert_eq!(task.references(), HashSet::from(["g", "u"]));
    let mut ids = HashMap::from([("g".to_owned(), "1".to_owned())]);
    assert!(task.clone().resolve(&ids).is_err());
    ids.insert("u".to_owned(), "2".to_owned());
    task.resolve(&ids).unwrap();
    assert_eq!(task.id.as_deref(), Some("1"));
    assert_eq!(task.data["Operations"][0]["value"], json!(["2"]));
    let path = "members[value eq \"2\" or value eq \"x\"]";
    assert_eq!(task.data["Operations"][1]["path"], path);
}

#[test]
fn only_what_can_refer_is_a_reference() {
    let check = |kind: &str, method: &str, data: Value, expect: &[&str]| {
        let path = if method == "POST" { "" } else { "/x" };
        let operation = json!({
            "method": method, "path": format!("/{kind}{path}"), "bulkId": "own", "data": data,
        });
        let task = request(&json!([operation])).operations[0]
            .task
            .clone()
            .unwrap();
        let expect: HashSet<&str> = expect.iter().copied().collect();
        assert_eq!(task.references(), expect, "{data}");
    };
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    check(
        "Users",
        "POST",
        json!({"userName": "bulkId:a", "title": "bulkId:b"}),
        &[],
    );
    check(
        "Groups",
        "POST",
        json!({"displayName": "bulkId:a", "externalId": "bulkId:b"}),
        &[],
    );
    check(
        "Users",
        "POST",
        json!({"emails": [{"value": "bulkId:a"}], "unknown": "bulkId:b"}),
        &[],
    );
    check(
        "Groups",
        "PUT",
        json!({"members": [{"value": "bulkId:a", "display": "bulkId:b"}]}),
        &["a"],
    );
    check(
        "Groups",
        "PUT",
        json!({"MEMBERS": {"$ref": "bulkId:a"}}),
        &["a"],
    );
    check(
        "Users",
        "PUT",
        json!({(urn): {"manager": {"value": "bulkId:a"}}}),
        &["a"],
    );
    check(
        "Users",
        "PUT",
        json!({(urn): {"manager": "bulkId:a", "division": "bulkId:b"}}),
        &["a"],
    );
    let patch = |operation: Value| json!({"Operations": [operation]});
    let operation = json!({"op": "replace", "path": "title", "value": "bulkId:a"});
    check("Users", "PATCH", patch(operation), &[]);
    let operation =
        json!({"op": "replace", "path": format!("{urn}:manager.value"), "value": "bulkId:a"});
    check("Users", "PATCH", patch(operation), &["a"]);
    let operation = json!({"op": "add", "value": {(urn): {"manager": {"value": "bulkId:a"}}}});
    check("Users", "PATCH", patch(operation), &["a"]);
    let operation = json!({"op": "add", "value": {"members": [{"value": "bulkId:a"}], "displayName": "bulkId:b"}});
    check("Groups", "PATCH", patch(operation), &["a"]);
    let operation =
        json!({"op": "add", "path": "members[value eq \"bulkId:a\"].display", "value": "bulkId:b"});
    check("Groups", "PATCH", patch(operation), &["a"]);
}
