//! Okta's manual test plan (12.7): what of it a server sees.

use serde_json::{Value, json};

use super::okta::put_changed;
use super::queries::pages_agree;
use super::{USER, cases, lives};
use crate::virtual_idp::selftest::reply::{Checked, ensure, failed};
use crate::virtual_idp::selftest::resources::{GROUP, Made, eq};

/// The members as Okta writes them.
fn members(users: &[&Made]) -> Vec<Value> {
    users
        .iter()
        .map(|user| json!({"value": user.id, "display": user.name}))
        .collect()
}

/// "Push now": the name, then all members.
fn push(group: &Made, users: &[&Made]) -> Value {
    json!([
        {"op": "replace", "value": {"id": group.id, "displayName": group.name}},
        {"op": "replace", "path": "members", "value": members(users)},
    ])
}

/// The password is nowhere in an answer.
fn is_hidden(body: &Value) -> Checked {
    ensure(
        body.get("password").is_none(),
        "expected no password in the answer",
    )
}

cases! {
    "C9290" [Okta] "a user is created with the whole profile in the answer" |s| {
        let body = s.user_body(&json!({}));
        let reply = s.post("/Users", body.clone()).await?.resource(&[201])?;
        reply.holds(&lives::comparable(&body))?;
    }
    "C9291" [Okta] "a profile is updated by PUT and answered" |s| {
        let user = s.user(json!({})).await?;
        let answer = put_changed(s, &user, "/name/familyName", json!("Changed")).await?;
        ensure(answer["name"]["familyName"] == "Changed", "expected the change in the answer")?;
        s.shows(&user, json!({"name": {"familyName": "Changed"}})).await?;
    }
    "C9292" [Okta] "a user is deactivated by PATCH and keeps the rest" |s| {
        let user = s.user(json!({})).await?;
        lives::is_deactivated(s, &user).await?;
        let mut expected = lives::comparable(&user.sent);
        expected["active"] = json!(false);
        s.shows(&user, expected).await?;
    }
    "C9293" [Okta] "a user that is activated again keeps its id" |s| {
        let user = s.user(json!({})).await?;
        lives::is_deactivated(s, &user).await?;
        lives::is_reactivated(s, &user).await?;
    }
    "C9294" [Okta] "a user is deactivated by PUT" |s| {
        let user = s.user(json!({})).await?;
        put_changed(s, &user, "/active", json!(false)).await?;
        lives::is_inactive(s, &user).await?;
    }
    "C9301" [Okta] "a password is taken and never shown" |s| {
        let user = s.user(json!({"password": "first-Pass-1"})).await?;
        let operation = json!([{"op": "replace", "value": {"password": "second-Pass-2"}}]);
        let reply = s.patch(&user, operation).await?;
        is_hidden(&reply.body)?;
        is_hidden(&s.read(&user).await?.body)?;
    }
    "C9303" [Okta] "users are imported page by page" |s| {
        for _ in 0..4 {
            s.user(json!({})).await?;
        }
        pages_agree(s, "/Users", 2).await?;
        let list = s.get("/Users?startIndex=1&count=100").await?.list()?;
        let is_whole = list.resources.iter().all(|user| {
            user["id"].is_string() && user["userName"].is_string() && user["schemas"].is_array()
        });
        ensure(is_whole, "expected id, userName and schemas in every user of the list")?;
    }
    "C9309" [Okta] "a profile is updated by a PATCH without a path" |s| {
        let user = s.user(json!({})).await?;
        let value = json!({"id": user.id, "name": {"givenName": "Patched"}, "title": "Lead"});
        let family = &user.sent["name"]["familyName"];
        let expected = json!({
            "name": {"givenName": "Patched", "familyName": family}, "title": "Lead",
            "userName": user.name,
        });
        s.changes(&user, json!([{"op": "replace", "value": value}]), expected).await?;
    }
    "C9310" [Okta] "a userName is changed and found under the new name alone" |s| {
        let user = s.user(json!({})).await?;
        let name = format!("{}@selftest.example", s.unique());
        put_changed(s, &user, "/userName", json!(name)).await?;
        s.finds(&user, &eq("userName", &name), json!({"userName": name})).await?;
        s.users(&eq("userName", &user.name)).await?.none()?;
    }
    "C9311" [Okta] "a user without the app is inactive and keeps its groups" |s| {
        let (group, users) = s.group_of(1).await?;
        lives::is_deactivated(s, &users[0]).await?;
        s.has_members(&group, &[&users[0]]).await?;
    }
    "C9312" [Okta] "a group is pushed with its members" |s| {
        let (group, users) = s.group_of(2).await?;
        s.has_members(&group, &[&users[0], &users[1]]).await?;
        s.groups(&eq("displayName", &group.name)).await?.only(&group.id)?;
    }
    "C9315" [Okta] "a linked group is renamed and keeps its members" |s| {
        lives::is_renamed(s).await?;
    }
    "C9316a" [Okta] "push now leaves exactly the members that are pushed" |s| {
        let (group, users) = s.group_of(2).await?;
        let user = s.user(json!({})).await?;
        s.leaves(&group, push(&group, &[&users[0], &user]), &[&users[0], &user]).await?;
    }
    "C9316b" [Okta] "push now of an empty group leaves nobody" |s| {
        let (group, _) = s.group_of(2).await?;
        s.leaves(&group, push(&group, &[]), &[]).await?;
    }
    "C9316c" [Okta] "an empty push without a path leaves nobody and sets the name" |s| {
        let (group, _) = s.group_of(2).await?;
        let name = format!("{} Pushed", s.unique());
        let value = json!({"members": [], "id": group.id, "displayName": name});
        s.leaves(&group, json!([{"op": "replace", "value": value}]), &[]).await?;
        s.shows(&group, json!({"displayName": name})).await?;
    }
    "C9317" [Okta] "an empty group is pushed" |s| {
        let group = s.group(json!({"members": []})).await?;
        s.has_members(&group, &[]).await?;
    }
    "C9318" [Okta] "an unlinked group is deleted and its members stay" |s| {
        let (group, users) = s.group_of(1).await?;
        s.delete(group.path.as_str()).await?.is(&[204])?;
        s.get(group.path.as_str()).await?.refused(&[404])?;
        s.read(&users[0]).await?;
    }
    "C9321" [Okta] "a group that is left in place is found again" |s| {
        lives::is_found(s, "/Groups", str::to_owned).await?;
    }
    "C9322" [Okta] "linking a group again by its own name keeps its members" |s| {
        let (group, users) = s.group_of(2).await?;
        let value = json!({"id": group.id, "displayName": group.name});
        let operation = json!([{"op": "replace", "value": value}]);
        s.leaves(&group, operation, &[&users[0], &users[1]]).await?;
    }
    "C9330" [Okta] "linking a group without renaming it only reads" |s| {
        let (group, users) = s.group_of(1).await?;
        let found = s.groups(&eq("displayName", &group.name)).await?.only(&group.id)?;
        ensure(found["displayName"] == group.name.as_str(), "expected the name as it was")?;
        s.has_members(&group, &[&users[0]]).await?;
    }
    "C9332" [Okta] "a member is added beside another" |s| {
        lives::one_joins(s).await?;
    }
    "C9333a" [Okta] "a member is removed and the other stays" |s| {
        lives::one_leaves(s).await?;
    }
    "C9333b" [Okta] "a member is removed and another added in one request" |s| {
        let (group, users) = s.group_of(2).await?;
        let user = s.user(json!({})).await?;
        let path = format!("members[value eq \"{}\"]", users[0].id);
        let operations = json!([
            {"op": "remove", "path": path},
            {"op": "add", "path": "members", "value": members(&[&user])},
        ]);
        s.leaves(&group, operations, &[&users[1], &user]).await?;
    }
    "C9333c" [Okta] "a PUT of a group leaves exactly its members" |s| {
        let (group, users) = s.group_of(2).await?;
        let body = json!({
            "schemas": [GROUP], "id": group.id, "displayName": group.name,
            "members": [{"value": users[1].id, "display": null}],
        });
        s.replace(&group, body).await?;
        s.has_members(&group, &[&users[1]]).await?;
    }
    "C9334" [Okta] "every attribute of the core profile is kept as sent" |s| {
        let user = s.user(json!({
            "nickName": "Nick", "profileUrl": "https://selftest.example/nick", "title": "Lead",
            "userType": "Employee", "preferredLanguage": "de-DE", "timezone": "Europe/Berlin",
            "name": {
                "givenName": "Given", "familyName": "Family", "middleName": "Middle",
                "honorificPrefix": "Dr.", "honorificSuffix": "II", "formatted": "Dr. Given Family",
            },
            "phoneNumbers": [
                {"type": "work", "value": "+49 30 1"}, {"type": "mobile", "value": "+49 170 2"},
            ],
            "addresses": [{
                "type": "work", "streetAddress": "1 Way", "locality": "Berlin", "region": "BE",
                "postalCode": "10115", "country": "DE",
            }],
        })).await?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "C9335" [Okta] "a user that exists is found, linked and updated" |s| {
        let user = s.user(json!({})).await?;
        let path = format!(
            "/Users?filter={}&startIndex=1&count=100",
            s.encoded(&eq("userName", &user.name)),
        );
        let found = s.get(path).await?.list()?.only(&user.id)?;
        ensure(found["id"] == user.id.as_str(), "expected the user's id")?;
        put_changed(s, &user, "/name/givenName", json!("Linked")).await?;
        s.shows(&user, json!({"name": {"givenName": "Linked"}})).await?;
    }
    "C9336" [Okta] "a PUT takes away what it does not hold" |s| {
        let user = s.user(json!({"title": "Lead"})).await?;
        let body = json!({
            "schemas": [USER], "userName": user.name, "active": true,
            "name": user.sent["name"], "emails": user.sent["emails"],
        });
        s.replace(&user, body).await?;
        s.shows(&user, json!({"title": null, "userName": user.name})).await?;
    }
    "C9337" [Okta] "empty texts are no error and no values" |s| {
        let user = s.user(json!({"title": "Lead", "nickName": "Nick"})).await?;
        let mut body = user.sent.clone();
        for name in ["title", "nickName"] {
            body[name] = json!("");
        }
        body["name"]["middleName"] = json!("");
        s.replace(&user, body).await?;
        s.shows(&user, json!({"title": null, "nickName": null, "name": {"middleName": null}}))
            .await?;
    }
    "C9338" [Okta] "groups are imported page by page" |s| {
        for _ in 0..4 {
            s.group(json!({})).await?;
        }
        pages_agree(s, "/Groups", 2).await?;
    }
    "C9340" [Okta] "wrong credentials are a 401 that the admin can read" |s| {
        let wrong = [(reqwest::header::AUTHORIZATION, "Bearer selftest-wrong")];
        let reply = s.send_with(reqwest::Method::GET, "/Users?count=1", &wrong, None).await?;
        if reply.body.is_null() {
            return failed("expected a JSON body that says why");
        }
        reply.refused(&[401])?.with_detail()?;
    }
}
