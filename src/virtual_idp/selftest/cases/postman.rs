//! Microsoft's request collections (12.3), in the order they are told.

use serde_json::{Value, json};

use super::{USER, cases, lives};
use crate::virtual_idp::selftest::reply::ensure;
use crate::virtual_idp::selftest::resources::{ENTERPRISE, eq};

cases! {
    "12.3-1" [Entra] "users and groups are listed" |s| {
        s.get("/Users").await?.list()?;
        s.needs_groups()?;
        s.get("/Groups").await?.list()?;
    }
    "12.3-2" [Entra] "resource types are listed" |s| {
        let list = s.get("/ResourceTypes").await?.list()?;
        let has_users = list.resources.iter().any(|kind| kind["endpoint"] == "/Users");
        ensure(has_users, "expected a resource type with the endpoint /Users")?;
    }
    "12.3-3" [Entra] "the service's configuration is readable" |s| {
        let reply = s.get("/ServiceProviderConfig").await?.is(&[200])?;
        ensure(reply.body["patch"]["supported"] == true, "expected patch to be supported")?;
    }
    "12.3-4" [Entra] "schemas are listed with camelCase keys and no nulls" |s| {
        let list = s.get("/Schemas").await?.list()?;
        for schema in &list.resources {
            let keys = schema.as_object().into_iter().flatten();
            let is_plain = keys.clone().all(|(key, value)| {
                !value.is_null() && key.starts_with(|first: char| first.is_ascii_lowercase())
            });
            ensure(is_plain && schema["id"].is_string(), "expected camelCase keys and no nulls")?;
        }
    }
    "12.3-5" [Entra] "a user is created" |s| {
        let user = s.user(json!({})).await?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "12.3-6" [Entra] "attribute names in another letter case are understood" |s| {
        s.needs_extension(ENTERPRISE)?;
        let user = s.user(json!({
            "emails": [{"Primary": true, "type": "work", "value": "caps@selftest.example"}],
            ENTERPRISE: {"Department": "Deck", "Manager": {"Value": "SuzQ"}},
        })).await?;
        s.shows(&user, json!({
            "emails": [{"primary": true, "type": "work", "value": "caps@selftest.example"}],
            ENTERPRISE: {"department": "Deck", "manager": {"value": "SuzQ"}},
        })).await?;
    }
    "12.3-7" [Entra] "a list shows only the attributes that were asked for" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?attributes=userName,emails&startIndex=1&count=10").await?.list()?;
        let is_narrow = list.resources.iter().all(|user| {
            user["userName"].is_string() && user.get("displayName").is_none()
        });
        ensure(is_narrow, "expected userName and no displayName")?;
    }
    "12.3-8" [Entra] "a filter names an attribute in another letter case" |s| {
        let name = format!("{} Shown", s.unique());
        let user = s.user(json!({"displayName": name})).await?;
        let filter = s.encoded(&eq("DisplayName", &name));
        s.get(format!("/Users/?filter={filter}")).await?.list()?.only(&user.id)?;
    }
    "12.3-9" [Entra] "a PATCH of the userName is seen by id" |s| {
        let user = s.user(json!({})).await?;
        let name = format!("{}@selftest.example", s.unique());
        let operation = json!([{"op": "replace", "path": "userName", "value": name}]);
        s.changes(&user, operation, json!({"userName": name})).await?;
    }
    "12.3-10" [Entra] "a PUT replaces a user" |s| {
        let user = s.user(json!({"nickName": "Old"})).await?;
        let body = json!({"schemas": [USER], "userName": user.name, "displayName": "New"});
        s.replace(&user, body).await?;
        s.shows(&user, json!({"userName": user.name, "displayName": "New", "nickName": null}))
            .await?;
    }
    "12.3-11" [Entra] "users are deleted" |s| {
        lives::is_deleted(s, "/Users").await?;
    }
    "12.3-12" [Entra] "a group is created empty" |s| {
        let group = s.group(json!({"members": []})).await?;
        s.has_members(&group, &[]).await?;
    }
    "12.3-13" [Entra] "a group is created with members" |s| {
        let (first, second) = (s.user(json!({})).await?, s.user(json!({})).await?);
        let members = json!([
            {"$ref": null, "value": first.id}, {"$ref": null, "value": second.id},
        ]);
        let group = s.group(json!({"members": members})).await?;
        s.has_members(&group, &[&first, &second]).await?;
    }
    "12.3-14" [Entra] "a PUT replaces a group and its members" |s| {
        let (group, _) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let name = format!("{} Put", s.unique());
        let body = json!({
            "schemas": group.sent["schemas"], "displayName": name,
            "members": [{"value": user.id}],
        });
        s.replace(&group, body).await?;
        s.shows(&group, json!({"displayName": name})).await?;
        s.has_members(&group, &[&user]).await?;
    }
    "12.3-15" [Entra] "more keys in an operation and a member are ignored" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let value = json!([{"displayName": "new User", "value": user.id}]);
        let operation = json!({"name": "addMember", "op": "add", "path": "members", "value": value});
        s.leaves(&group, json!([operation]), &[&users[0], &user]).await?;
    }
    "12.3-16" [Entra] "a member is removed by a filter" |s| {
        let (group, users) = s.group_of(3).await?;
        let path = format!("members[value eq \"{}\"]", users[1].id);
        let operation = json!([{"op": "remove", "path": path}]);
        s.leaves(&group, operation, &[&users[0], &users[2]]).await?;
    }
    "12.3-17" [Entra] "a removal of members without a value clears the group" |s| {
        let (group, _) = s.group_of(2).await?;
        s.leaves(&group, json!([{"op": "remove", "path": "members"}]), &[]).await?;
    }
    "12.3-18" [Entra] "a member is added as a bare text" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "add", "path": "members", "value": user.id}]);
        s.leaves(&group, operation, &[&users[0], &user]).await?;
    }
    "12.3-19" [Entra] "value paths among the attributes of a list are no error" |s| {
        s.user(json!({})).await?;
        for path in ["emails[type eq \"work\"]", "emails[value eq \"x\"]"] {
            let query = format!("/Users?attributes={}&count=5", s.encoded(path));
            s.get(query).await?.list()?;
        }
    }
    "12.3-20" [Entra] "a text that says true is stored as a boolean" |s| {
        let user = s.user(json!({"active": "True"})).await?;
        s.shows(&user, json!({"active": true})).await?;
    }
    "12.3-21" [Entra] "a user without a userName is a 400" |s| {
        let body = json!({"schemas": [USER], "active": true, "displayName": s.unique()});
        s.post("/Users", body).await?.refused(&[400])?;
    }
    "12.3-22" [Entra] "broken JSON is a 400" |s| {
        let media = [(reqwest::header::CONTENT_TYPE, "application/scim+json")];
        let reply = s.send_with(reqwest::Method::POST, "/Users", &media, Some("{ \"acve\": tre, "));
        reply.await?.refused(&[400])?;
    }
    "12.3-23" [Entra] "a duplicate is a 409, in another letter case too" |s| {
        let user = s.user(json!({})).await?;
        let mut body = user.sent.clone();
        body["userName"] = json!(user.name.to_uppercase());
        s.post("/Users", body).await?.refused(&[409])?;
    }
    "12.3-24" [Entra] "a PUT without a userName is a 400 and changes nothing" |s| {
        let user = s.user(json!({})).await?;
        let body = json!({"schemas": [USER], "id": user.id, "userame": "x", "active": false});
        s.put(user.path.as_str(), body).await?.refused(&[400])?;
        s.shows(&user, lives::comparable(&user.sent)).await?;
    }
    "12.3-25" [Entra] "a misspelled attribute in a PUT is ignored" |s| {
        let user = s.user(json!({})).await?;
        let body = json!({
            "schemas": [USER], "id": user.id, "userName": user.name, "active": false,
            "adreses": [{"type": "work", "country": "Germany"}],
        });
        s.replace(&user, body).await?;
        s.shows(&user, json!({"active": false})).await?;
    }
    "12.3-26" [Entra] "a page of two has two users" |s| {
        s.user(json!({})).await?;
        s.user(json!({})).await?;
        let list = s.get("/Users?startIndex=1&count=2").await?.list()?;
        ensure(list.reply.body["itemsPerPage"] == 2, "expected itemsPerPage 2")?;
        ensure(list.resources.len() == 2, "expected two users")?;
    }
    "12.3-27" [Entra] "and, or and brackets are understood, with unquoted values or a 400" |s| {
        let mark = s.unique().replace('-', "");
        let user = s.user(json!({"name": {"familyName": mark}})).await?;
        let emails = "(emails.Value co selftest.example or emails.Value co selftest.test)";
        let filter = s.encoded(&format!("name.FamilyName eq {mark} and {emails}"));
        let reply = s.get(format!("/Users?filter={filter}")).await?;
        if reply.status == 200 {
            reply.list()?.only(&user.id)?;
        } else {
            reply.refused(&[400])?.of_type("invalidFilter")?;
        }
    }
    "12.3-28" [Entra] "a filter finds what a userName begins with, unquoted or a 400" |s| {
        let mark = format!("s{}", s.unique().replace('-', ""));
        let user = s.user(json!({"userName": format!("{mark}@selftest.example")})).await?;
        let filter = s.encoded(&format!("userName sw {mark}"));
        let reply = s.get(format!("/Users?filter={filter}")).await?;
        if reply.status == 200 {
            reply.list()?.only(&user.id)?;
        } else {
            reply.refused(&[400])?.of_type("invalidFilter")?;
        }
    }
    "12.3-29" [Entra] "a filter on the time of creation is understood, unquoted or a 400" |s| {
        let user = s.user(json!({})).await?;
        let since = "meta.Created gt 2015-10-10T14:38:21.8617979-07:00";
        let filter = s.encoded(&format!("{} and {since}", eq("userName", &user.name)));
        let reply = s.get(format!("/Users?filter={filter}")).await?;
        if reply.status == 200 {
            reply.list()?.only(&user.id)?;
        } else {
            reply.refused(&[400])?.of_type("invalidFilter")?;
        }
    }
    "12.3-30" [Entra] "nulls inside an address are no values" |s| {
        let user = s.user(json!({"addresses": [
            {"type": "work", "locality": "West", "country": "BM", "primary": false},
            {"type": "other", "formatted": "18 Union", "country": null, "locality": null},
        ]})).await?;
        s.shows(&user, json!({"addresses": [
            {"type": "work", "locality": "West"},
            {"type": "other", "formatted": "18 Union", "country": null},
        ]})).await?;
    }
    "12.3-31" [Entra] "a PATCH is answered with 204, or 200 and the user" |s| {
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "Replace", "path": "title", "value": "Lead"}]);
        let reply = s.patch(&user, operation).await?;
        if reply.status == 200 {
            reply.resource(&[200])?.holds(&json!({"title": "Lead"}))?;
        }
    }
    "12.3-32" [Entra] "active users changed within a time are found" |s| {
        let user = s.user(json!({})).await?;
        let changed = s.read(&user).await?.body["meta"]["lastModified"].clone();
        ensure(changed.is_string(), "expected meta.lastModified")?;
        let window = |from: &Value, to: &Value| format!(
            "active eq true and (meta.lastModified ge {from} and meta.lastModified le {to}) and {}",
            eq("userName", &user.name),
        );
        s.users(&window(&changed, &changed)).await?.only(&user.id)?;
        let (from, to) = (json!("2001-01-01T00:00:00Z"), json!("2001-02-01T00:00:00Z"));
        s.users(&window(&from, &to)).await?.none()?;
    }
    "12.3-33" [Entra] "a query key in lower case and a startIndex of zero are understood" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?startindex=0&count=1").await?.list()?;
        ensure(list.reply.body["startIndex"] == 1, "expected startIndex 1")?;
    }
    "12.3-34" [Entra] "a filter on the id finds one user" |s| {
        let user = s.user(json!({})).await?;
        s.users(&eq("id", &user.id)).await?.only(&user.id)?;
    }
}
