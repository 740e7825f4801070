//! What must hold of the members of groups (13-4 to 13-6).

use futures_util::future::join_all;
use serde_json::json;

use super::cases;
use crate::virtual_idp::selftest::Profile;
use crate::virtual_idp::selftest::resources::unknown;

cases! {
    "13-4a" [Entra Okta] "a removal that lists members removes those alone" |s| {
        let (group, users) = s.group_of(3).await?;
        let value = json!([{"$ref": null, "value": users[0].id}]);
        let operation = json!([{"op": "Remove", "path": "members", "value": value}]);
        s.leaves(&group, operation, &[&users[1], &users[2]]).await?;
    }
    "13-4b" [Entra Okta] "a removal that lists nobody removes nobody" |s| {
        let (group, users) = s.group_of(2).await?;
        let operation = json!([{"op": "Remove", "path": "members", "value": []}]);
        let reply = s.try_patch(&group.path, operation).await?;
        reply.is(&[200, 204, 400])?;
        s.has_members(&group, &[&users[0], &users[1]]).await?;
    }
    "13-4c" [Rfc Entra Okta] "a removal of members without a value removes all" |s| {
        let (group, _) = s.group_of(2).await?;
        s.leaves(&group, json!([{"op": "remove", "path": "members"}]), &[]).await?;
    }
    "13-4d" [Entra Okta] "a removal of members with null removes all" |s| {
        let (group, _) = s.group_of(2).await?;
        let operation = json!([{"op": "remove", "path": "members", "value": null}]);
        s.leaves(&group, operation, &[]).await?;
    }
    "13-4e" [Rfc Entra Okta] "a replace of members by nobody removes all" |s| {
        let (group, _) = s.group_of(2).await?;
        s.leaves(&group, json!([{"op": "replace", "path": "members", "value": []}]), &[]).await?;
    }
    "13-4f" [Entra Okta] "a replace of members by null removes all" |s| {
        let (group, _) = s.group_of(2).await?;
        let operation = json!([{"op": "Replace", "path": "members", "value": null}]);
        s.leaves(&group, operation, &[]).await?;
    }
    "13-4g" [Rfc Entra Okta] "a removal by value path removes that member alone" |s| {
        let (group, users) = s.group_of(3).await?;
        let path = format!("members[value eq \"{}\"]", users[2].id);
        let operation = json!([{"op": "remove", "path": path}]);
        s.leaves(&group, operation, &[&users[0], &users[1]]).await?;
    }
    "13-4h" [Rfc Entra Okta] "a change of a group's name leaves its members alone" |s| {
        let (group, users) = s.group_of(2).await?;
        let name = format!("{} Renamed", s.unique());
        let operation = json!([{"op": "replace", "value": {"displayName": name}}]);
        s.leaves(&group, operation, &[&users[0], &users[1]]).await?;
        s.shows(&group, json!({"displayName": name})).await?;
    }
    "13-5a" [Rfc Entra Okta] "a member is added as an object with its id alone" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "add", "path": "members", "value": [{"value": user.id}]}]);
        s.leaves(&group, operation, &[&users[0], &user]).await?;
    }
    "13-5b" [Entra Okta] "members are added as bare texts" |s| {
        let (group, users) = s.group_of(1).await?;
        let (one, two) = (s.user(json!({})).await?, s.user(json!({})).await?);
        let first = json!([{"op": "add", "path": "members", "value": one.id}]);
        s.leaves(&group, first, &[&users[0], &one]).await?;
        let second = json!([{"op": "add", "path": "members", "value": [two.id]}]);
        s.leaves(&group, second, &[&users[0], &one, &two]).await?;
    }
    "13-5c" [Entra Okta] "a member is added as one object" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let operation = json!([{"op": "add", "path": "members", "value": {"value": user.id}}]);
        s.leaves(&group, operation, &[&users[0], &user]).await?;
    }
    "13-5d" [Entra Okta] "more keys in a member are no error" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let value = json!([{
            "value": user.id, "display": null, "displayName": "X", "$ref": null, "madeUp": 1,
        }]);
        let operation = json!([{"op": "add", "path": "members", "value": value}]);
        s.leaves(&group, operation, &[&users[0], &user]).await?;
    }
    "13-6a" [Rfc Entra Okta] "a member that is there already is no error" |s| {
        let (group, users) = s.group_of(2).await?;
        let operation =
            json!([{"op": "add", "path": "members", "value": [{"value": users[0].id}]}]);
        s.leaves(&group, operation, &[&users[0], &users[1]]).await?;
    }
    "13-6b" [Entra Okta] "a member that is not there is removed without an error" |s| {
        let (group, users) = s.group_of(2).await?;
        let user = s.user(json!({})).await?;
        let operation = match s.profile {
            Profile::Okta => {
                json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", user.id)}])
            }
            Profile::Rfc | Profile::Entra => {
                json!([{"op": "Remove", "path": "members", "value": [{"value": user.id}]}])
            }
        };
        s.leaves(&group, operation, &[&users[0], &users[1]]).await?;
    }
    "13-6c" [Entra Okta] "an unknown member does not lose the others" |s| {
        let (group, users) = s.group_of(1).await?;
        let user = s.user(json!({})).await?;
        let value = json!([{"value": user.id}, {"value": unknown()}]);
        let operation = json!([{"op": "add", "path": "members", "value": value}]);
        s.patch(&group, operation).await?;
        // A server may keep the unknown reference until its user arrives.
        let found = s.members(&group).await?;
        for expected in [&users[0], &user] {
            if !found.contains(&expected.id) {
                return super::super::reply::failed(format!("expected {} as a member", expected.id));
            }
        }
    }
    "13-6d" [Rfc Entra Okta] "a second addition keeps the members of the first" |s| {
        let group = s.group(json!({})).await?;
        let (one, two) = (s.user(json!({})).await?, s.user(json!({})).await?);
        s.add_members(&group, std::slice::from_ref(&one)).await?;
        s.add_members(&group, std::slice::from_ref(&two)).await?;
        s.has_members(&group, &[&one, &two]).await?;
    }
    "13-6e" [Entra Okta] "five additions at once lose nobody" |s| {
        let group = s.group(json!({})).await?;
        let mut users = Vec::new();
        for _ in 0..5 {
            users.push(s.user(json!({})).await?);
        }
        let added = users.iter().map(|user| s.add_members(&group, std::slice::from_ref(user)));
        for reply in join_all(added).await {
            reply?;
        }
        s.has_members(&group, &users.iter().collect::<Vec<_>>()).await?;
    }
}
