//! Steps that more than one suite asks for.

use serde_json::{Value, json};

use crate::virtual_idp::selftest::reply::{Checked, difference, ensure};
use crate::virtual_idp::selftest::resources::{ENTERPRISE, Made, eq, unknown};
use crate::virtual_idp::selftest::session::Session;

/// The attribute that names a resource there.
fn naming(endpoint: &str) -> &'static str {
    match endpoint {
        "/Groups" => "displayName",
        _ => "userName",
    }
}

/// Makes a user, then finds all that was sent by its name.
pub(super) async fn creates_and_reads_back(session: &Session) -> Checked {
    let user = session.user(json!({})).await?;
    let expected = comparable(&user.sent);
    session
        .finds(&user, &eq("userName", &user.name), expected)
        .await
}

/// What an answer must repeat of a body: what the server decides or never returns is left out.
pub(super) fn comparable(sent: &Value) -> Value {
    let mut sent = sent.clone();
    if let Some(members) = sent.as_object_mut() {
        for server in ["schemas", "meta", "password", "groups", "id"] {
            members.remove(server);
        }
        members.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
    sent
}

/// The same resource once more is a conflict, and the first stays.
pub(super) async fn refuses_a_duplicate(session: &Session, endpoint: &str) -> Checked {
    let made = one(session, endpoint).await?;
    session
        .post(endpoint, made.sent.clone())
        .await?
        .is(&[409])?;
    session.read(&made).await?;
    Ok(())
}

/// A search by name finds the resource, whatever the letter case if `turn` changes it.
pub(super) async fn is_found(
    session: &Session,
    endpoint: &str,
    turn: fn(&str) -> String,
) -> Checked {
    let made = one(session, endpoint).await?;
    let filter = eq(naming(endpoint), &turn(&made.name));
    found(session, endpoint, &filter, &made).await
}

/// Exactly this resource matches.
pub(super) async fn found(session: &Session, endpoint: &str, filter: &str, made: &Made) -> Checked {
    let list = match endpoint {
        "/Groups" => session.groups(filter).await?,
        _ => session.users(filter).await?,
    };
    list.only(&made.id).map(drop)
}

/// A search for a name that nothing has is an empty list.
pub(super) async fn nothing_is_found(session: &Session, endpoint: &str) -> Checked {
    let filter = eq(naming(endpoint), &unknown());
    let list = match endpoint {
        "/Groups" => session.groups(&filter).await?,
        _ => session.users(&filter).await?,
    };
    list.none().map(drop)
}

/// Makes a resource there.
pub(super) async fn one(session: &Session, endpoint: &str) -> Checked<Made> {
    match endpoint {
        "/Groups" => session.group(json!({})).await,
        _ => session.user(json!({})).await,
    }
}

/// A deleted resource is gone from its id and from searches; once more is a 404.
pub(super) async fn is_deleted(session: &Session, endpoint: &str) -> Checked {
    let made = one(session, endpoint).await?;
    session.delete(made.path.as_str()).await?.is(&[204])?;
    session.get(made.path.as_str()).await?.is(&[404])?;
    let filter = eq(naming(endpoint), &made.name);
    let list = match endpoint {
        "/Groups" => session.groups(&filter).await?,
        _ => session.users(&filter).await?,
    };
    list.none().map(drop)
}

/// A second removal is a 404.
pub(super) async fn is_deleted_once(session: &Session, endpoint: &str) -> Checked {
    let made = one(session, endpoint).await?;
    session.delete(made.path.as_str()).await?.is(&[204])?;
    session.delete(made.path.as_str()).await?.is(&[404])?;
    Ok(())
}

/// Removing what is not there is a 404.
pub(super) async fn unknown_is_not_deleted(session: &Session, endpoint: &str) -> Checked {
    if endpoint == "/Groups" {
        session.needs_groups()?;
    }
    session
        .delete(format!("{endpoint}/{}", unknown()))
        .await?
        .refused(&[404])?;
    Ok(())
}

/// Deactivates as the provider does; the user is still there by id and by search, as inactive.
pub(super) async fn is_deactivated(session: &Session, user: &Made) -> Checked {
    match session.profile.dialect() {
        Some(dialect) => session
            .request(&dialect.deactivate(&user.id))
            .await?
            .is(&[200, 204])?,
        None => {
            let operation = json!([{"op": "replace", "path": "active", "value": false}]);
            session.patch(user, operation).await?
        }
    };
    is_inactive(session, user).await
}

/// The user is there by id and by search, as inactive.
pub(super) async fn is_inactive(session: &Session, user: &Made) -> Checked {
    session.shows(user, json!({"active": false})).await?;
    session
        .finds(user, &eq("userName", &user.name), json!({"active": false}))
        .await
}

/// Reactivates as the provider does, and sees the same user active.
pub(super) async fn is_reactivated(session: &Session, user: &Made) -> Checked {
    match session.profile.dialect() {
        Some(dialect) => session
            .request(&dialect.reactivate(&user.id))
            .await?
            .is(&[200, 204])?,
        None => {
            let operation = json!([{"op": "replace", "path": "active", "value": true}]);
            session.patch(user, operation).await?
        }
    };
    session
        .finds(user, &eq("userName", &user.name), json!({"active": true}))
        .await
}

/// Gives a user a manager in one form, then finds it as `{value}`; `None` clears it.
pub(super) async fn manager(session: &Session, steps: &[(Value, Option<&str>)]) -> Checked {
    session.needs_extension(ENTERPRISE)?;
    let user = session.user(json!({})).await?;
    for (operation, expected) in steps {
        session.patch(&user, json!([operation])).await?;
        let reply = session.read(&user).await?;
        let found = &reply.body[ENTERPRISE]["manager"];
        match expected {
            Some(id) => {
                let difference = difference(&json!({"value": id}), found, "manager");
                ensure(difference.is_none(), difference.unwrap_or_default())?;
            }
            None => {
                let is_gone = super::super::reply::is_empty(found);
                ensure(is_gone, format!("expected no manager, found {found}"))?;
            }
        }
    }
    Ok(())
}

/// The path of the manager.
pub(super) fn manager_path() -> String {
    format!("{ENTERPRISE}:manager")
}

/// Renames a group as the provider does; its members stay.
pub(super) async fn is_renamed(session: &Session) -> Checked {
    let (group, users) = session.group_of(2).await?;
    let name = format!("{} Renamed", session.unique());
    match session.profile.dialect() {
        Some(dialect) => {
            let request = dialect.rename_group(&group.linked(), &name);
            session.request(&request).await?.is(&[200, 204])?;
        }
        None => {
            let operation = json!([{"op": "replace", "path": "displayName", "value": name}]);
            session.patch(&group, operation).await?;
        }
    }
    session.shows(&group, json!({"displayName": name})).await?;
    session
        .has_members(&group, &users.iter().collect::<Vec<_>>())
        .await
}

/// Takes one of two members out as the provider does; the other stays.
pub(super) async fn one_leaves(session: &Session) -> Checked {
    let (group, users) = session.group_of(2).await?;
    let Some(dialect) = session.profile.dialect() else {
        let path = format!("members[value eq \"{}\"]", users[0].id);
        return session
            .leaves(
                &group,
                json!([{"op": "remove", "path": path}]),
                &[&users[1]],
            )
            .await;
    };
    let request = dialect.remove_member(&group.linked(), &users[0].linked());
    session.request(&request).await?.is(&[200, 204])?;
    session.has_members(&group, &[&users[1]]).await
}

/// Adds a member beside another as the provider does.
pub(super) async fn one_joins(session: &Session) -> Checked {
    let (group, users) = session.group_of(1).await?;
    let second = session.user(json!({})).await?;
    session
        .add_members(&group, std::slice::from_ref(&second))
        .await?;
    session.has_members(&group, &[&users[0], &second]).await
}
