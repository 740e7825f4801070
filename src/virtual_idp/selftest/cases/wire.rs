//! What must hold of bodies, errors, media types and life cycles (13-9 to 13-14, 13-19 to 13-23).

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::{USER, cases, lives};
use crate::virtual_idp::selftest::reply::{Checked, Reply, ensure, failed, skipped};
use crate::virtual_idp::selftest::resources::{ENTERPRISE, Made, eq, unknown};
use crate::virtual_idp::selftest::session::Session;

/// What every answer says it is.
const MEDIA: &str = "application/scim+json";

/// Posts a user as that media type, which must do.
async fn posts_as(s: &Session, media: &str) -> Checked {
    let body = s.user_body(&json!({})).to_string();
    let headers = [(CONTENT_TYPE, media)];
    let reply = s
        .send_with(Method::POST, "/Users", &headers, Some(&body))
        .await?;
    reply.resource(&[201]).map(drop)
}

/// The answer says that it is SCIM.
fn is_scim(reply: &Reply) -> Checked {
    let media = reply.media();
    if media == MEDIA {
        return Ok(());
    }
    reply.fail(format!(
        "expected the content type {MEDIA}, found {media:?}"
    ))
}

/// An inactive user.
async fn inactive(s: &Session) -> Checked<Made> {
    let user = s.user(json!({})).await?;
    lives::is_deactivated(s, &user).await?;
    Ok(user)
}

/// Reads a document of the service.
async fn document(s: &Session, path: &str) -> Checked<Value> {
    Ok(s.get(path).await?.is(&[200])?.body)
}

cases! {
    "13-9a" [Rfc Entra Okta] "an unknown attribute of a user is no error" |s| {
        let user = s.user(json!({"madeUpAttribute": {"deep": [1, 2]}})).await?;
        s.shows(&user, json!({"userName": user.name})).await?;
    }
    "13-9b" [Entra Okta] "an unknown schema of a user is no error" |s| {
        let schemas = json!([USER, "urn:selftest:unknown:2.0:User", format!("{ENTERPRISE}x")]);
        let user = s.user(json!({"schemas": schemas})).await?;
        s.shows(&user, json!({"userName": user.name})).await?;
    }
    "13-9c" [Rfc Entra Okta] "an unknown key of a query is no error" |s| {
        let user = s.user(json!({})).await?;
        s.get(format!("{}?selftest=1", user.path)).await?.resource(&[200])?;
        s.get("/Users?selftest=1&startIndex=1&count=1").await?.list()?;
    }
    "13-9d" [Entra Okta] "a dangling question mark or ampersand is no error" |s| {
        let user = s.user(json!({})).await?;
        s.get(format!("{}?", user.path)).await?.resource(&[200])?;
        let filter = s.encoded(&eq("userName", &user.name));
        s.get(format!("/Users?filter={filter}&")).await?.list()?.only(&user.id)?;
        let flag = format!("/Users?aadOptscim062020&filter={filter}");
        s.get(flag).await?.list()?.only(&user.id)?;
    }
    "13-10a" [Rfc Entra Okta] "a deactivated user is read by id" |s| {
        let user = inactive(s).await?;
        s.shows(&user, json!({"active": false, "userName": user.name})).await?;
    }
    "13-10b" [Rfc Entra Okta] "a deactivated user is found by a filter" |s| {
        let user = inactive(s).await?;
        s.finds(&user, &eq("userName", &user.name), json!({"active": false})).await?;
    }
    "13-10c" [Rfc Entra Okta] "a deactivated user keeps its memberships" |s| {
        let (group, users) = s.group_of(2).await?;
        lives::is_deactivated(s, &users[0]).await?;
        s.has_members(&group, &[&users[0], &users[1]]).await?;
    }
    "13-10d" [Rfc Entra Okta] "a deleted user is gone by id and by search" |s| {
        lives::is_deleted(s, "/Users").await?;
    }
    "13-10e" [Rfc Entra Okta] "the userName of a deleted user is free" |s| {
        let user = s.user(json!({})).await?;
        s.delete(user.path.as_str()).await?.is(&[204])?;
        let again = s.make("/Users", "userName", user.sent.clone()).await?;
        ensure(again.id != user.id, "expected a new id for a new user")?;
    }
    "13-10f" [Entra Okta] "a create for an inactive user restores it or is a conflict" |s| {
        let user = inactive(s).await?;
        let reply = s.post("/Users", user.sent.clone()).await?;
        if reply.status == 409 {
            reply.refused(&[409])?;
            lives::is_inactive(s, &user).await?;
        } else {
            let reply = reply.resource(&[200, 201])?;
            if reply.body["id"] != user.id.as_str() {
                return reply.fail("expected the id that the user had");
            }
            s.shows(&user, json!({"active": true})).await?;
        }
    }
    "13-10g" [Rfc Entra Okta] "a user is created inactive when it says so" |s| {
        let user = s.user(json!({"active": false})).await?;
        lives::is_inactive(s, &user).await?;
    }
    "13-11a" [Rfc Entra Okta] "a filter without a match is an empty list" |s| {
        lives::nothing_is_found(s, "/Users").await?;
        lives::nothing_is_found(s, "/Groups").await?;
    }
    "13-11b" [Rfc Entra Okta] "an inactive user counts as a match" |s| {
        let user = inactive(s).await?;
        let list = s.users(&eq("userName", &user.name)).await?;
        ensure(list.total == 1, format!("expected a total of one, found {}", list.total))?;
    }
    "13-12a" [Rfc Entra Okta] "a taken userName is a 409 of type uniqueness" |s| {
        let user = s.user(json!({})).await?;
        let reply = s.post("/Users", user.sent.clone()).await?;
        reply.refused(&[409])?.of_type("uniqueness")?;
    }
    "13-12b" [Rfc Entra Okta] "a wrong token is a 401 in SCIM's form" |s| {
        let wrong = [(AUTHORIZATION, "Bearer selftest-wrong")];
        let reply = s.send_with(Method::GET, "/Users?count=1", &wrong, None).await?;
        reply.refused(&[401])?;
    }
    "13-12c" [Rfc Entra Okta] "an unknown id is a 404 in SCIM's form for every method" |s| {
        let path = format!("/Users/{}", unknown());
        s.get(path.as_str()).await?.refused(&[404])?;
        s.put(path.as_str(), s.user_body(&json!({}))).await?.refused(&[404])?;
        s.delete(path.as_str()).await?.refused(&[404])?;
        let operation = json!([{"op": "replace", "path": "active", "value": false}]);
        s.try_patch(&path, operation).await?.refused(&[404])?;
    }
    "13-12d" [Rfc Entra Okta] "an unknown route is a 404 in SCIM's form" |s| {
        s.get("/Selftests").await?.refused(&[404])?;
    }
    "13-12e" [Rfc Entra Okta] "a body that is no JSON is a 400 in SCIM's form" |s| {
        let headers = [(CONTENT_TYPE, MEDIA)];
        let reply = s.send_with(Method::POST, "/Users", &headers, Some("{\"userName\": ")).await?;
        reply.refused(&[400])?.of_type("invalidSyntax")?;
    }
    "13-12f" [Rfc Entra Okta] "a body of another media type is an error in SCIM's form" |s| {
        let headers = [(CONTENT_TYPE, "text/csv")];
        let reply = s.send_with(Method::POST, "/Users", &headers, Some("a,b\n1,2\n")).await?;
        reply.refused(&[400, 415])?;
    }
    "13-12g" [Rfc Entra Okta] "a user without a userName is a 400 of type invalidValue" |s| {
        let body = json!({"schemas": [USER], "displayName": s.unique()});
        s.post("/Users", body).await?.refused(&[400])?.of_type("invalidValue")?;
    }
    "13-12h" [Rfc Entra Okta] "a userName that is taken meanwhile is a 409 for PUT and PATCH" |s| {
        let (user, other) = (s.user(json!({})).await?, s.user(json!({})).await?);
        let mut body = user.sent.clone();
        body["userName"] = json!(other.name);
        s.put(user.path.as_str(), body).await?.refused(&[409])?.of_type("uniqueness")?;
        let operation = json!([{"op": "replace", "path": "userName", "value": other.name}]);
        s.try_patch(&user.path, operation).await?.refused(&[409])?.of_type("uniqueness")?;
        s.shows(&user, json!({"userName": user.name})).await?;
    }
    "13-13a" [Rfc Entra Okta] "application/json is taken" |s| {
        posts_as(s, "application/json").await?;
    }
    "13-13b" [Rfc Entra Okta] "parameters of the media type are taken" |s| {
        posts_as(s, "application/scim+json; charset=utf-8").await?;
        posts_as(s, "application/json;charset=UTF-8").await?;
    }
    "13-13c" [Rfc Entra Okta] "a read may name a media type or none" |s| {
        let user = s.user(json!({})).await?;
        s.read(&user).await?;
        let headers = [(CONTENT_TYPE, MEDIA)];
        let reply = s.send_with(Method::GET, &user.path, &headers, None).await?;
        reply.resource(&[200])?;
    }
    "13-13d" [Rfc Entra Okta] "every answer is application/scim+json" |s| {
        let user = s.user(json!({})).await?;
        is_scim(&s.read(&user).await?)?;
        is_scim(&s.get("/Users?count=1").await?)?;
        is_scim(&s.get(format!("/Users/{}", unknown())).await?)?;
        is_scim(&s.post("/Users", user.sent.clone()).await?)?;
        is_scim(&s.put(user.path.as_str(), user.sent.clone()).await?)?;
    }
    "13-14a" [Rfc Entra Okta] "a POST answers the whole user" |s| {
        let body = s.user_body(&json!({}));
        let reply = s.post("/Users", body.clone()).await?.resource(&[201])?;
        let reply = reply.holds(&lives::comparable(&body))?;
        ensure(reply.body["meta"]["resourceType"] == "User", "expected meta.resourceType User")?;
    }
    "13-14b" [Rfc Entra Okta] "a PUT answers the whole user" |s| {
        let user = s.user(json!({})).await?;
        let mut body = user.sent.clone();
        body["title"] = json!("Changed");
        let reply = s.replace(&user, body.clone()).await?;
        reply.holds(&lives::comparable(&body))?;
    }
    "13-14c" [Rfc Entra Okta] "a PATCH of a user answers the user or 204" |s| {
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "replace", "value": {"title": "Changed"}}]);
        let reply = s.patch(&user, operation).await?;
        if reply.status == 200 {
            reply.resource(&[200])?.holds(&json!({"title": "Changed", "userName": user.name}))?;
        } else {
            ensure(reply.exchange.answered.is_empty(), "expected no body with 204")?;
        }
    }
    "13-14d" [Entra Okta] "a PATCH of a group does not answer with its members" |s| {
        let group = s.group(json!({})).await?;
        let user = s.user(json!({})).await?;
        let reply = s.add_members(&group, std::slice::from_ref(&user)).await?;
        ensure(reply.body.get("members").is_none(), "expected no members in the answer")?;
    }
    "13-19a" [Rfc Entra Okta] "ServiceProviderConfig tells of every feature in full" |s| {
        let config = document(s, "/ServiceProviderConfig").await?;
        for pointer in [
            "/patch/supported", "/bulk/supported", "/filter/supported",
            "/changePassword/supported", "/sort/supported", "/etag/supported",
        ] {
            let is_told = config.pointer(pointer).is_some_and(Value::is_boolean);
            ensure(is_told, format!("expected {pointer} as a boolean"))?;
        }
        for pointer in ["/bulk/maxOperations", "/bulk/maxPayloadSize", "/filter/maxResults"] {
            let is_told = config.pointer(pointer).is_some_and(Value::is_u64);
            ensure(is_told, format!("expected {pointer} as an integer"))?;
        }
        let schemes = config["authenticationSchemes"].as_array();
        let is_whole = |scheme: &Value| {
            ["type", "name", "description"].iter().all(|key| scheme[*key].is_string())
        };
        ensure(
            schemes.is_some_and(|schemes| schemes.iter().all(is_whole)),
            "expected authenticationSchemes with type, name and description",
        )?;
    }
    "13-19b" [Rfc Entra Okta] "every listed schema is read by its URN" |s| {
        let list = s.get("/Schemas").await?.list()?;
        ensure(!list.resources.is_empty(), "expected schemas")?;
        for schema in &list.resources {
            let id = schema["id"].as_str().unwrap_or_default();
            let one = document(s, &format!("/Schemas/{id}")).await?;
            ensure(one["id"] == id, format!("expected the schema {id}"))?;
            ensure(one["attributes"].is_array(), "expected attributes")?;
        }
    }
    "13-19c" [Rfc Entra Okta] "every listed resource type is read by its name" |s| {
        let list = s.get("/ResourceTypes").await?.list()?;
        ensure(!list.resources.is_empty(), "expected resource types")?;
        for kind in &list.resources {
            let name = kind["id"].as_str().or(kind["name"].as_str()).unwrap_or_default();
            let one = document(s, &format!("/ResourceTypes/{name}")).await?;
            ensure(one["endpoint"] == kind["endpoint"], format!("expected {name}"))?;
        }
    }
    "13-20" [Rfc Entra Okta] "a password is taken and never shown" |s| {
        let body = s.user_body(&json!({"password": "selftest-Pass-1"}));
        let reply = s.post("/Users", body.clone()).await?.resource(&[201])?;
        let user = Made {
            path: format!("/Users/{}", reply.body["id"].as_str().unwrap_or_default()),
            id: reply.body["id"].as_str().unwrap_or_default().to_owned(),
            name: body["userName"].as_str().unwrap_or_default().to_owned(),
            sent: body,
        };
        for answer in [
            reply,
            s.read(&user).await?,
            s.get(format!("{}?attributes=password", user.path)).await?,
            s.replace(&user, user.sent.clone()).await?,
        ] {
            if answer.exchange.answered.contains("selftest-Pass-1") {
                return answer.fail("expected no password in the answer");
            }
        }
    }
    "13-21" [Rfc Entra Okta] "values come back as they were sent" |s| {
        let name = format!("MiXed.{}@SelfTest.Example", s.unique());
        let user = s.user(json!({
            "userName": name,
            "displayName": "  Zoë e\u{301} Straße 美咲 😀 \"quoted\" \\ / <b>&amp;  ",
            "title": "TITLE of ÄÖÜ",
            "emails": [{"type": "work", "value": name, "primary": true}],
            "phoneNumbers": [{"type": "work", "value": "+49 (30) 12-34 / 5"}],
        })).await?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "13-23" [Okta] "a token without a scheme word is taken" |s| {
        let reply = s.send_bare().await?;
        if reply.status == 401 {
            return skipped("the service takes the token with the word Bearer alone");
        }
        if reply.status != 200 {
            return failed(format!("expected 200, answered {}", reply.status));
        }
        reply.list()?;
    }
}
