//! Microsoft's validator: groups (12.1, 16 to 27 and P5 to P7).

use serde_json::json;

use super::{cases, lives};
use crate::virtual_idp::selftest::reply::ensure;
use crate::virtual_idp::selftest::resources::{eq, unknown};

cases! {
    "12.1-16" [Entra] "a group is read without its members when they are excluded" |s| {
        let (group, _) = s.group_of(1).await?;
        let reply = s.get(format!("{}?excludedAttributes=members", group.path)).await?;
        let reply = reply.resource(&[200])?.holds(&json!({"displayName": group.name}))?;
        ensure(reply.body.get("members").is_none(), "expected no members in the answer")?;
    }
    "12.1-17" [Entra] "a group is found without its members when they are excluded" |s| {
        let (group, _) = s.group_of(1).await?;
        let found = s.groups(&eq("displayName", &group.name)).await?.only(&group.id)?;
        ensure(found.get("members").is_none(), "expected no members in the answer")?;
    }
    "12.1-18" [Entra] "a filter finds an existing group" |s| {
        lives::is_found(s, "/Groups", str::to_owned).await?;
    }
    "12.1-19" [Entra] "a filter for a group that does not exist is an empty list" |s| {
        lives::nothing_is_found(s, "/Groups").await?;
    }
    "12.1-20" [Entra] "a filter finds a displayName in another letter case" |s| {
        lives::is_found(s, "/Groups", str::to_uppercase).await?;
    }
    "12.1-21" [Entra] "a created group is read back as it was sent" |s| {
        let group = s.group(json!({})).await?;
        s.shows(&group, lives::comparable(&group.sent)).await?;
    }
    "12.1-22" [Entra] "a group created twice is a 409" |s| {
        lives::refuses_a_duplicate(s, "/Groups").await?;
    }
    "12.1-23" [Entra] "a replace without a path changes a group and keeps its members" |s| {
        let (group, users) = s.group_of(1).await?;
        let id = unknown();
        s.patch(&group, json!([{"op": "replace", "value": {"externalId": id}}])).await?;
        s.shows(&group, json!({"externalId": id, "displayName": group.name})).await?;
        s.has_members(&group, &[&users[0]]).await?;
    }
    "12.1-24" [Entra] "a PATCH renames a group and keeps its members" |s| {
        lives::is_renamed(s).await?;
    }
    "12.1-25" [Entra] "a replace of the members leaves exactly those" |s| {
        let (group, _) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let members = json!([{"$ref": null, "value": user.id}]);
        let operation = json!([{"op": "replace", "path": "members", "value": members}]);
        s.leaves(&group, operation, &[&user]).await?;
    }
    "12.1-26" [Entra] "a removal by value path leaves the other member" |s| {
        let (group, users) = s.group_of(2).await?;
        let path = format!("members[value eq \"{}\"]", users[0].id);
        s.leaves(&group, json!([{"op": "remove", "path": path}]), &[&users[1]]).await?;
    }
    "12.1-27" [Entra] "a deleted group is a 404" |s| {
        lives::is_deleted(s, "/Groups").await?;
    }
    "P5" [Entra] "a member is added and another removed in one request" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let path = format!("members[value eq \"{}\"]", users[0].id);
        let operations = json!([
            {"op": "add", "path": "members", "value": [{"value": user.id}]},
            {"op": "remove", "path": path},
        ]);
        s.leaves(&group, operations, &[&user]).await?;
    }
    "P6" [Entra] "deleting an unknown group is a 404" |s| {
        lives::unknown_is_not_deleted(s, "/Groups").await?;
    }
    "P7" [Entra] "a group deleted twice is a 204, then a 404" |s| {
        lives::is_deleted_once(s, "/Groups").await?;
    }
}
