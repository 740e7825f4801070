//! Resources (RFC 7643 section 3, RFC 7644 sections 3.3 to 3.6, 3.9, 3.11 and 3.14).

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use serde_json::json;

use super::{USER, cases, lives};
use crate::virtual_idp::selftest::reply::{Checked, Reply, ensure, has_schema};
use crate::virtual_idp::selftest::resources::{Made, unknown};
use crate::virtual_idp::selftest::session::Session;

const MEDIA: &str = "application/scim+json";

/// The entity tag of a resource, and the user itself.
async fn tagged(s: &Session) -> Checked<(Made, String)> {
    s.needs("etag")?;
    let user = s.user(json!({})).await?;
    let reply = s.read(&user).await?;
    let tag = reply.header(ETAG.as_str()).to_owned();
    if tag.is_empty() {
        return reply.fail("expected an ETag");
    }
    Ok((user, tag))
}

/// Replaces a user's title under a condition.
async fn put_if(s: &Session, user: &Made, condition: &str) -> Checked<Reply> {
    let mut body = user.sent.clone();
    body["title"] = json!("Conditional");
    let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, MEDIA), (IF_MATCH, condition)];
    s.send_with(Method::PUT, &user.path, &headers, Some(&body.to_string()))
        .await
}

cases! {
    "7643-3.1a" [Rfc] "a resource has id, schemas and meta" |s| {
        let user = s.user(json!({})).await?;
        let reply = s.read(&user).await?;
        ensure(has_schema(&reply.body, USER), "expected the schema of users")?;
        let meta = &reply.body["meta"];
        ensure(meta["resourceType"] == "User", "expected meta.resourceType User")?;
        for key in ["created", "lastModified", "location"] {
            ensure(meta[key].is_string(), format!("expected meta.{key}"))?;
        }
        let location = meta["location"].as_str().unwrap_or_default();
        ensure(location.ends_with(&user.path), "expected meta.location to end with the path")?;
    }
    "7643-3.1b" [Rfc] "the id that a client sends is not taken" |s| {
        let wanted = unknown();
        let user = s.user(json!({"id": wanted, "meta": {"resourceType": "Group"}})).await?;
        ensure(user.id != wanted, "expected an id of the server")?;
        s.shows(&user, json!({"meta": {"resourceType": "User"}})).await?;
    }
    "7643-3.1c" [Rfc] "a change moves meta.lastModified and not meta.created" |s| {
        let user = s.user(json!({})).await?;
        let before = s.read(&user).await?.body["meta"].clone();
        let mut body = user.sent.clone();
        body["title"] = json!("Later");
        s.replace(&user, body).await?;
        let after = s.read(&user).await?.body["meta"].clone();
        ensure(before["created"] == after["created"], "expected meta.created as it was")?;
        let is_later = after["lastModified"].as_str() >= before["lastModified"].as_str();
        ensure(is_later, "expected meta.lastModified not to go back")?;
    }
    "7644-3.3a" [Rfc] "a POST answers 201 with the Location of the resource" |s| {
        let reply = s.post("/Users", s.user_body(&json!({}))).await?.resource(&[201])?;
        let location = reply.header("location").to_owned();
        if reply.body["meta"]["location"] != location.as_str() {
            return reply.fail(format!("expected meta.location to be the Location {location:?}"));
        }
    }
    "7644-3.3b" [Rfc] "a group is created with members, each with its reference" |s| {
        let user = s.user(json!({})).await?;
        let group = s.group(json!({"members": [{"value": user.id}]})).await?;
        s.has_members(&group, &[&user]).await?;
    }
    "7644-3.3c" [Rfc] "a user shows the groups it is in" |s| {
        let (group, users) = s.group_of(1).await?;
        s.shows(&users[0], json!({"groups": [{"value": group.id}]})).await?;
    }
    "7644-3.3.1" [Rfc] "a user created twice is a conflict" |s| {
        lives::refuses_a_duplicate(s, "/Users").await?;
    }
    "7644-3.5.1a" [Rfc] "a PUT takes away what it does not hold" |s| {
        let user = s.user(json!({"nickName": "Nick", "title": "Lead"})).await?;
        let body = json!({"schemas": [USER], "userName": user.name, "title": "Chief"});
        s.replace(&user, body).await?;
        let expected =
            json!({"userName": user.name, "title": "Chief", "nickName": null, "name": null});
        s.shows(&user, expected).await?;
    }
    "7644-3.5.1b" [Rfc] "a PUT to an unknown id makes nothing" |s| {
        let body = s.user_body(&json!({}));
        let name = body["userName"].as_str().unwrap_or_default().to_owned();
        s.put(format!("/Users/{}", unknown()), body).await?.refused(&[404])?;
        s.users(&crate::virtual_idp::selftest::resources::eq("userName", &name)).await?.none()?;
    }
    "7644-3.5.1c" [Rfc] "a PUT without a required attribute is a 400 and changes nothing" |s| {
        let user = s.user(json!({})).await?;
        let body = json!({"schemas": [USER], "title": "Nameless"});
        s.put(user.path.as_str(), body).await?.refused(&[400])?.of_type("invalidValue")?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "7644-3.5.1d" [Rfc] "a PUT of a group replaces its members" |s| {
        let (group, users) = s.group_of(2).await?;
        let mut body = group.sent.clone();
        body["members"] = json!([{"value": users[1].id}]);
        s.replace(&group, body).await?;
        s.has_members(&group, &[&users[1]]).await?;
    }
    "7644-3.5.2a" [Rfc] "add, replace and remove change an attribute" |s| {
        let user = s.user(json!({"nickName": null})).await?;
        for (op, value) in [("add", json!("One")), ("replace", json!("Two"))] {
            let operation = json!([{"op": op, "path": "nickName", "value": value}]);
            s.changes(&user, operation, json!({"nickName": value})).await?;
        }
        s.changes(&user, json!([{"op": "remove", "path": "nickName"}]), json!({"nickName": null}))
            .await?;
    }
    "7644-3.5.2b" [Rfc] "one operation that fails undoes the others" |s| {
        let user = s.user(json!({})).await?;
        let operations = json!([
            {"op": "replace", "path": "title", "value": "Changed"},
            {"op": "remove", "path": "userName"},
        ]);
        let reply = s.try_patch(&user.path, operations).await?;
        reply.refused(&[400])?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "7644-3.5.2c" [Rfc] "a removal without a path is a 400 of type noTarget" |s| {
        let user = s.user(json!({})).await?;
        let reply = s.try_patch(&user.path, json!([{"op": "remove"}])).await?;
        reply.refused(&[400])?.of_type("noTarget")?;
    }
    "7644-3.5.2d" [Rfc] "an operation applies to the entry that a value path selects" |s| {
        let user = s.user(json!({"emails": [
            {"type": "work", "value": "w@selftest.example"},
            {"type": "home", "value": "h@selftest.example"},
        ]})).await?;
        let path = "emails[type eq \"home\"].value";
        let operation = json!([{"op": "replace", "path": path, "value": "n@selftest.example"}]);
        s.changes(&user, operation, json!({"emails": [
            {"type": "work", "value": "w@selftest.example"},
            {"type": "home", "value": "n@selftest.example"},
        ]})).await?;
        s.patch(&user, json!([{"op": "remove", "path": "emails[type eq \"work\"]"}])).await?;
        let emails = s.read(&user).await?.body["emails"].as_array().map_or(0, Vec::len);
        ensure(emails == 1, format!("expected one address, found {emails}"))?;
    }
    "7644-3.5.2e" [Rfc] "a value that is added twice is there once" |s| {
        let user = s.user(json!({})).await?;
        let value = json!([{"type": "home", "value": "h@selftest.example"}]);
        let operation = json!([{"op": "add", "path": "emails", "value": value}]);
        s.patch(&user, operation.clone()).await?;
        s.patch(&user, operation).await?;
        let emails = s.read(&user).await?.body["emails"].as_array().map_or(0, Vec::len);
        ensure(emails == 2, format!("expected two addresses, found {emails}"))?;
    }
    "7644-3.5.2f" [Rfc] "a new primary address takes the mark from the old one" |s| {
        let user = s.user(json!({})).await?;
        let value = json!([{"type": "home", "value": "h@selftest.example", "primary": true}]);
        s.patch(&user, json!([{"op": "add", "path": "emails", "value": value}])).await?;
        let emails = s.read(&user).await?.body["emails"].as_array().cloned().unwrap_or_default();
        let primary: Vec<_> = emails.iter().filter(|email| email["primary"] == true).collect();
        ensure(primary.len() == 1, format!("expected one primary, found {}", primary.len()))?;
        ensure(primary[0]["type"] == "home", "expected the new address to be the primary one")?;
    }
    "7644-3.5.2g" [Rfc] "a PATCH does not change an id" |s| {
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "replace", "path": "id", "value": unknown()}]);
        let reply = s.try_patch(&user.path, operation).await?.is(&[200, 204, 400])?;
        if reply.status == 400 {
            reply.refused(&[400])?.of_type("mutability")?;
        }
        s.read(&user).await?;
    }
    "7644-3.6" [Rfc] "a deleted resource is a 404 for every method" |s| {
        let user = s.user(json!({})).await?;
        s.delete(user.path.as_str()).await?.is(&[204])?;
        s.get(user.path.as_str()).await?.refused(&[404])?;
        s.put(user.path.as_str(), user.sent.clone()).await?.refused(&[404])?;
        s.delete(user.path.as_str()).await?.refused(&[404])?;
    }
    "7644-3.6b" [Rfc] "a deleted user is in no group" |s| {
        let (group, users) = s.group_of(2).await?;
        s.delete(users[0].path.as_str()).await?.is(&[204])?;
        s.has_members(&group, &[&users[1]]).await?;
    }
    "7644-3.9" [Rfc] "a projection applies to the answer of a POST and a PUT" |s| {
        let body = s.user_body(&json!({"title": "Lead"}));
        let reply = s.post("/Users?attributes=userName", body.clone()).await?.resource(&[201])?;
        let user = Made {
            id: reply.body["id"].as_str().unwrap_or_default().to_owned(),
            path: format!("/Users/{}", reply.body["id"].as_str().unwrap_or_default()),
            name: body["userName"].as_str().unwrap_or_default().to_owned(),
            sent: body.clone(),
        };
        reply.holds(&json!({"userName": user.name, "title": null}))?;
        let reply = s.put(format!("{}?excludedAttributes=title", user.path), body).await?;
        reply.resource(&[200])?.holds(&json!({"userName": user.name, "title": null}))?;
    }
    "7644-3.11" [Rfc] "/Me works or says that it does not" |s| {
        let reply = s.get("/Me").await?;
        if reply.status == 200 {
            reply.resource(&[200])?;
        } else {
            reply.refused(&[403, 404, 501])?;
        }
    }
    "7644-3.14a" [Rfc] "the ETag of a resource is its meta.version" |s| {
        let (user, tag) = tagged(s).await?;
        s.shows(&user, json!({"meta": {"version": tag}})).await?;
    }
    "7644-3.14b" [Rfc] "a change gives another ETag" |s| {
        let (user, before) = tagged(s).await?;
        let mut body = user.sent.clone();
        body["title"] = json!("Later");
        s.replace(&user, body).await?;
        let reply = s.read(&user).await?;
        if reply.header(ETAG.as_str()) == before {
            return reply.fail("expected another ETag after a change");
        }
    }
    "7644-3.14c" [Rfc] "a read of what is known already is a 304" |s| {
        let (user, tag) = tagged(s).await?;
        let headers = [(IF_NONE_MATCH, tag.as_str())];
        s.send_with(Method::GET, &user.path, &headers, None).await?.is(&[304])?;
    }
    "7644-3.14d" [Rfc] "a write under the current ETag is done, and under an old one a 412" |s| {
        let (user, tag) = tagged(s).await?;
        put_if(s, &user, &tag).await?.resource(&[200])?;
        let mut later = user.sent.clone();
        later["title"] = json!("Later");
        s.replace(&user, later).await?;
        put_if(s, &user, &tag).await?.refused(&[412])?;
        s.shows(&user, json!({"title": "Later"})).await?;
    }
    "7644-3.14e" [Rfc] "a removal under an old ETag is a 412 and not done" |s| {
        let (user, tag) = tagged(s).await?;
        let mut later = user.sent.clone();
        later["title"] = json!("Later");
        s.replace(&user, later).await?;
        let headers = [(IF_MATCH, tag.as_str())];
        s.send_with(Method::DELETE, &user.path, &headers, None).await?.refused(&[412])?;
        s.read(&user).await?;
    }
    "7644-3.12" [Rfc] "an error repeats its status as text" |s| {
        let reply = s.get(format!("/Users/{}", unknown())).await?.refused(&[404])?;
        ensure(reply.body["status"] == "404", "expected status \"404\"")?;
    }
}
