//! Bulk (RFC 7644 section 3.7), where it is offered.

use serde_json::{Value, json};

use super::cases;
use crate::virtual_idp::selftest::reply::{Checked, Reply, ensure, failed};
use crate::virtual_idp::selftest::resources::{Made, eq};
use crate::virtual_idp::selftest::session::Session;

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// Sends operations and remembers to remove what they made.
async fn bulk(s: &Session, operations: Value, more: &Value) -> Checked<Reply> {
    s.needs("bulk")?;
    let mut body = json!({"schemas": [REQUEST], "Operations": operations});
    if let Some(count) = more.get("failOnErrors") {
        body["failOnErrors"] = count.clone();
    }
    let reply = s.post("/Bulk", body).await?;
    for result in results(&reply) {
        let is_create = result["method"]
            .as_str()
            .is_some_and(|it| it.eq_ignore_ascii_case("POST"));
        if let (true, Some(path)) = (is_create, path(&result)) {
            s.remember(path);
        }
    }
    Ok(reply)
}

fn results(reply: &Reply) -> Vec<Value> {
    reply.body["Operations"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// The path of what a result is about, as its location ends.
fn path(result: &Value) -> Option<String> {
    let location = result["location"].as_str()?;
    let at = ["/Users/", "/Groups/"]
        .iter()
        .find_map(|part| location.rfind(part))?;
    Some(location[at..].to_owned())
}

/// The status of a result: a text, and an object with `code` in old drafts.
fn status(result: &Value) -> String {
    let told = result["status"]
        .as_str()
        .or(result["status"]["code"].as_str());
    told.unwrap_or_default().to_owned()
}

fn post(endpoint: &str, id: &str, data: &Value) -> Value {
    json!({"method": "POST", "path": endpoint, "bulkId": id, "data": data})
}

cases! {
    "7644-3.7a" [Rfc] "a bulk request makes users and tells each result" |s| {
        let bodies = [s.user_body(&json!({})), s.user_body(&json!({}))];
        let operations = json!([
            post("/Users", "one", &bodies[0]), post("/Users", "two", &bodies[1]),
        ]);
        let reply = bulk(s, operations, &json!({})).await?.is(&[200])?;
        if !super::super::reply::has_schema(&reply.body, RESPONSE) {
            return reply.fail(format!("expected the schema {RESPONSE}"));
        }
        let results = results(&reply);
        ensure(results.len() == 2, "expected two results")?;
        for (result, id) in results.iter().zip(["one", "two"]) {
            ensure(status(result) == "201" && result["bulkId"] == id, "expected 201 and bulkId")?;
            ensure(path(result).is_some(), "expected the location of what was made")?;
        }
        for body in &bodies {
            let name = body["userName"].as_str().unwrap_or_default();
            let list = s.users(&eq("userName", name)).await?;
            ensure(list.total == 1, "expected the user that was made")?;
        }
    }
    "7644-3.7.2" [Rfc] "a bulkId stands for the id of what is made in the same request" |s| {
        s.needs_groups()?;
        let group = s.group_body(&json!({"members": [{"value": "bulkId:member"}]}));
        let operations = json!([
            post("/Groups", "group", &group), post("/Users", "member", &s.user_body(&json!({}))),
        ]);
        let reply = bulk(s, operations, &json!({})).await?.is(&[200])?;
        let made: Vec<_> = results(&reply).iter().filter_map(path).collect();
        let id = |endpoint: &str| {
            let path = made.iter().find(|path| path.starts_with(endpoint));
            path.and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned()
        };
        let (group, user) = (id("/Groups/"), id("/Users/"));
        if group.is_empty() || user.is_empty() {
            return reply.fail("expected the locations of a group and a user");
        }
        let group = Made {
            path: format!("/Groups/{group}"), id: group, name: String::new(), sent: json!({}),
        };
        let found = s.members(&group).await?;
        ensure(found.contains(&user), "expected the user in the group")?;
    }
    "7644-3.7b" [Rfc] "a bulk request changes and removes" |s| {
        let (user, other) = (s.user(json!({})).await?, s.user(json!({})).await?);
        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "title", "value": "Bulk"}],
        });
        let operations = json!([
            {"method": "PATCH", "path": user.path, "data": patch},
            {"method": "DELETE", "path": other.path},
        ]);
        bulk(s, operations, &json!({})).await?.is(&[200])?;
        s.shows(&user, json!({"title": "Bulk"})).await?;
        s.get(other.path.as_str()).await?.is(&[404])?;
    }
    "7644-3.7.3a" [Rfc] "a result that is an error holds it, and the others are done" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            post("/Users", "taken", &user.sent),
            post("/Users", "free", &s.user_body(&json!({}))),
        ]);
        let reply = bulk(s, operations, &json!({})).await?.is(&[200])?;
        let results = results(&reply);
        let told: Vec<_> = results.iter().map(status).collect();
        ensure(told == ["409", "201"], format!("expected 409 and 201, found {told:?}"))?;
        let error = &results[0]["response"];
        ensure(error["status"] == "409", "expected the error in the response of the result")?;
    }
    "7644-3.7.3b" [Rfc] "a bulk request ends at the number of errors that it names" |s| {
        let user = s.user(json!({})).await?;
        let free = s.user_body(&json!({}));
        let name = free["userName"].as_str().unwrap_or_default().to_owned();
        let operations =
            json!([post("/Users", "taken", &user.sent), post("/Users", "free", &free)]);
        let reply = bulk(s, operations, &json!({"failOnErrors": 1})).await?.is(&[200])?;
        ensure(results(&reply).len() == 1, "expected the result of one operation")?;
        s.users(&eq("userName", &name)).await?.none()?;
    }
    "7644-3.7.4" [Rfc] "more operations than are allowed are a 413" |s| {
        s.needs("bulk")?;
        let Some(limit) = s.limit("/bulk/maxOperations") else {
            return failed("expected bulk.maxOperations");
        };
        if limit > 5_000 {
            return super::super::reply::skipped("the limit is too high to be tried");
        }
        let delete = json!({"method": "DELETE", "path": "/Users/selftest-nobody"});
        let count = usize::try_from(limit).unwrap_or_default() + 1;
        let operations = Value::Array(vec![delete; count]);
        bulk(s, operations, &json!({})).await?.refused(&[413])?;
    }
}
