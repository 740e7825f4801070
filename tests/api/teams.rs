//! Teams, roles and permissions of a workspace.

use gatehouse::changes::Origin;
use gatehouse::error::Error;
use gatehouse::mapping::explain::explain;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::{self, Right};
use gatehouse::workspace::members;
use gatehouse::workspace::roles::{self, RoleEdit};
use gatehouse::workspace::teams::{self, TeamEdit};

use serde_json::json;

use crate::gateway::Gateway;

fn role(name: &str, permissions: &[&str]) -> RoleEdit {
    RoleEdit {
        name: Some(name.to_owned()),
        permissions: Some(permissions.iter().map(|it| (*it).to_owned()).collect()),
    }
}

#[tokio::test]
async fn a_team_is_renamed_disabled_and_put_away() {
    let gateway = Gateway::new().await;
    let (app, workspace, origin) = (&gateway.app, gateway.workspace.id, Origin::cli());
    let made = teams::create(app, &origin, workspace, " Support ")
        .await
        .unwrap();
    assert_eq!((made.name.as_str(), made.enabled), ("Support", true));
    let taken = teams::create(app, &origin, workspace, "SUPPORT").await;
    assert!(matches!(taken, Err(Error::Taken("name"))));
    teams::create(app, &origin, workspace, "Sales")
        .await
        .unwrap();
    let edit = |edit| teams::edit(app, &origin, (workspace, made.id), edit);
    let name = |name: &str| TeamEdit {
        name: Some(name.to_owned()),
        ..TeamEdit::default()
    };
    assert!(matches!(
        edit(name("sales")).await,
        Err(Error::Taken("name"))
    ));
    assert!(matches!(edit(name(" ")).await, Err(Error::Invalid { .. })));
    let renamed = edit(name("Help")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("Help", 2));
    assert_eq!(
        edit(name("Help")).await.unwrap().version,
        2,
        "nothing changed"
    );
    let away = TeamEdit {
        enabled: Some(false),
        archived: Some(true),
        ..TeamEdit::default()
    };
    let away = edit(away).await.unwrap();
    assert!(!away.enabled && away.archived_at.is_some());
    let listed = teams::list(app, workspace).await.unwrap();
    assert_eq!(listed.len(), 2);
    gateway.check().await;
}

#[tokio::test]
async fn a_role_is_a_set_of_known_permissions() {
    let gateway = Gateway::with(|config| {
        config.permissions.catalogue = vec!["chats.transfer".to_owned()];
    })
    .await;
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let by = (&Origin::cli(), &Scopes::everything());
    let permissions = ["chats.transfer", "members.manage"];
    let lead = roles::create(app, by, workspace, role("Lead", &permissions))
        .await
        .unwrap();
    assert_eq!(lead.permissions.len(), 2);
    let unknown = roles::create(app, by, workspace, role("Other", &["chats.burn"])).await;
    assert!(matches!(unknown, Err(Error::Invalid { .. })));
    let edit = |id, edit| roles::edit(app, by, (workspace, id), edit);
    let fewer = RoleEdit {
        name: None,
        permissions: Some([permissions[0].to_owned()].into()),
    };
    let edited = edit(lead.role.id, fewer).await.unwrap();
    assert_eq!(
        (edited.role.name.as_str(), edited.permissions.len()),
        ("Lead", 1)
    );
    let listed = roles::list_full(app, workspace).await.unwrap();
    let found = listed
        .iter()
        .find(|full| full.role.id == lead.role.id)
        .unwrap();
    assert_eq!(found.permissions, edited.permissions);
    let admin = listed
        .iter()
        .find(|full| full.role.name == "admin")
        .unwrap();
    let built_in = edit(admin.role.id, role("boss", &[])).await;
    assert!(matches!(built_in, Err(Error::Conflict(_))));
    let gone = roles::delete(app, by, (workspace, lead.role.id)).await;
    gone.unwrap();
    let admin = roles::delete(app, by, (workspace, admin.role.id)).await;
    assert!(matches!(admin, Err(Error::Conflict(_))));
    gateway.check().await;
}

#[tokio::test]
async fn an_archived_team_gives_no_access_and_is_still_to_be_taken_away() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let origin = Origin::cli();
    let by = (&origin, &Scopes::everything());
    let team = teams::create(app, &origin, workspace, "Support")
        .await
        .unwrap();
    let ada = members::find(app, workspace, "ada").await.unwrap().id;
    let right = Right {
        kind: members::GrantKind::Team,
        name: "support".to_owned(),
    };
    let which = (workspace, ada);
    manual::give(app, by, which, vec![right.clone()])
        .await
        .unwrap();
    assert_eq!(gateway.in_team("Support").await, 1);
    let away = |archived| TeamEdit {
        archived: Some(archived),
        ..TeamEdit::default()
    };
    let edit = |edit| teams::edit(app, &origin, (workspace, team.id), edit);
    edit(away(true)).await.unwrap();
    assert_eq!(gateway.in_team("Support").await, 0);
    let why = async || {
        let member = members::find(app, workspace, "ada").await.unwrap();
        let explained = explain(app, workspace, &member).await.unwrap();
        let why = &explained.grants[0];
        (why.effective, why.stopped_by)
    };
    assert_eq!(why().await, (false, Some("the team is put away")));
    edit(away(false)).await.unwrap();
    assert_eq!(why().await, (true, None));
    edit(away(true)).await.unwrap();
    let given = manual::give(app, by, which, vec![right.clone()]).await;
    assert!(matches!(given, Err(Error::NotFound("team"))));
    manual::take(app, by, which, vec![right]).await.unwrap();
    edit(away(false)).await.unwrap();
    assert_eq!(gateway.in_team("Support").await, 0);
    gateway.check().await;
}
