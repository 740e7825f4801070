//! In which teams somebody has access: the enabled ones that it is in, and for admins all of them
//! where the workspace says so.

use gatehouse::changes::Origin;
use gatehouse::configuration::{self, Configuration};
use gatehouse::error::Error;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::settings::{self, Edit};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::new_key;

/// A gateway with the admin ada, who is in Support, and bob, who is in Sales; and a key that may do
/// everything in it.
async fn staffed() -> (Gateway, String) {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for name in ["ada", "bob"] {
        scim.created("/Users", &json!({"userName": name})).await;
    }
    let key = gateway.key(&Permission::ALL[..9]).await;
    for team in ["Sales", "Support", "Vault"] {
        let body = json!({"name": team});
        gateway.asked(&key, ("POST", "/teams"), body, 201).await;
    }
    for (name, right) in [
        ("ada", "roles/admin"),
        ("ada", "teams/Support"),
        ("bob", "teams/Sales"),
    ] {
        let path = format!("/members/{}/{right}", gateway.member_named(name).await);
        gateway.asked(&key, ("PUT", &path), Value::Null, 204).await;
    }
    (gateway, key)
}

impl Gateway {
    async fn member_named(&self, name: &str) -> String {
        let found = gatehouse::workspace::members::find(&self.app, self.workspace.id, name).await;
        found.unwrap().id.to_string()
    }

    /// Where a member has access, and why, as lists and its own resource say it.
    async fn access(&self, key: &str, name: &str) -> Vec<(String, String)> {
        let id = self.member_named(name).await;
        let one = format!("/members/{id}");
        let why = format!("/members/{id}/explanation");
        let shown = self.asked(key, ("GET", &one), Value::Null, 200).await;
        let why = self.asked(key, ("GET", &why), Value::Null, 200).await;
        let all = self.asked(key, ("GET", "/members"), Value::Null, 200).await;
        let mut all = all["items"].as_array().unwrap().iter();
        let listed = all.find(|member| member["id"] == id.as_str()).unwrap();
        assert_eq!(shown["access"], why["access"]);
        assert_eq!(shown["access"], listed["access"]);
        let access = shown["access"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        access
            .map(|it| (text(&it["team"]), text(&it["because"])))
            .collect()
    }

    async fn widen(&self, key: &str, wide: bool) {
        let body = json!({"admins_in_all_teams": wide});
        let now = self.asked(key, ("PATCH", ""), body, 200).await;
        assert_eq!(now["admins_in_all_teams"], wide);
    }

    /// Who is told of a team, and why each has access.
    async fn in_the(&self, key: &str, team: &str) -> Vec<(String, Value)> {
        let path = format!("/teams/{team}/explanation");
        let found = self.asked(key, ("GET", &path), Value::Null, 200).await;
        let items = found["items"].as_array().unwrap().iter();
        let mut items: Vec<_> = items
            .map(|it| {
                let name = it["user_name"].as_str().unwrap().to_owned();
                (name, it["access"].clone())
            })
            .collect();
        items.sort_by(|one, other| one.0.cmp(&other.0));
        items
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let of = of.iter();
    of.map(|(team, because)| ((*team).to_owned(), (*because).to_owned()))
        .collect()
}

#[tokio::test]
async fn an_admin_has_access_in_its_own_teams_and_in_all_where_the_workspace_says_so() {
    let (gateway, key) = staffed().await;
    assert_eq!(
        gateway.access(&key, "ada").await,
        pairs(&[("Support", "member")])
    );
    gateway.widen(&key, true).await;
    let wide = pairs(&[
        ("Sales", "admin"),
        ("Support", "member"),
        ("Vault", "admin"),
    ]);
    assert_eq!(gateway.access(&key, "ada").await, wide);
    assert_eq!(
        gateway.access(&key, "bob").await,
        pairs(&[("Sales", "member")]),
        "no admin"
    );
    assert!(gateway.told("\"admins_in_all_teams\":true").await);
    let told = gateway.count("changes WHERE kind = 'workspace.access_set'");
    assert_eq!(told.await, 1);
    gateway.widen(&key, true).await;
    let told = gateway.count("changes WHERE kind = 'workspace.access_set'");
    assert_eq!(told.await, 1, "it was so already");
    // Searches know it.
    let path = "/members?filter=access[team%20eq%20%22vault%22%20and%20because%20eq%20%22admin%22]";
    let found = gateway.asked(&key, ("GET", path), Value::Null, 200).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    // A team that is disabled or put away is no access, for nobody.
    let teams = gateway
        .asked(&key, ("GET", "/teams"), Value::Null, 200)
        .await;
    let teams = teams["items"].as_array().unwrap();
    let path = |name: &str| {
        let team = teams.iter().find(|team| team["name"] == name).unwrap();
        format!("/teams/{}", team["id"].as_str().unwrap())
    };
    let disabled = json!({"enabled": false});
    gateway
        .asked(&key, ("PATCH", &path("Sales")), disabled, 200)
        .await;
    let archived = json!({"archived": true});
    gateway
        .asked(&key, ("PATCH", &path("Vault")), archived, 200)
        .await;
    assert_eq!(gateway.access(&key, "bob").await, pairs(&[]));
    assert_eq!(
        gateway.access(&key, "ada").await,
        pairs(&[("Support", "member")])
    );
    // Nor has one who is out.
    gateway
        .asked(
            &key,
            ("PATCH", &path("Sales")),
            json!({"enabled": true}),
            200,
        )
        .await;
    let bob = format!("/members/{}/suspend", gateway.member_named("bob").await);
    gateway.asked(&key, ("POST", &bob), json!({}), 200).await;
    assert_eq!(gateway.access(&key, "bob").await, pairs(&[]));
    gateway.widen(&key, false).await;
    assert_eq!(
        gateway.access(&key, "ada").await,
        pairs(&[("Support", "member")])
    );
    gateway.check().await;
}

#[tokio::test]
async fn a_team_tells_admins_who_have_access_by_the_setting() {
    let (gateway, key) = staffed().await;
    let bob = ("bob".to_owned(), json!("member"));
    assert_eq!(
        gateway.in_the(&key, "Sales").await,
        std::slice::from_ref(&bob)
    );
    gateway.widen(&key, true).await;
    let ada = ("ada".to_owned(), json!("admin"));
    assert_eq!(
        gateway.in_the(&key, "Sales").await,
        [ada.clone(), bob.clone()]
    );
    let own = ("ada".to_owned(), json!("member"));
    assert_eq!(gateway.in_the(&key, "Support").await, [own]);
    let teams = gateway
        .asked(&key, ("GET", "/teams"), Value::Null, 200)
        .await;
    let teams = teams["items"].as_array().unwrap();
    let sales = teams.iter().find(|team| team["name"] == "Sales").unwrap();
    let sales = format!("/teams/{}", sales["id"].as_str().unwrap());
    let off = json!({"enabled": false});
    gateway.asked(&key, ("PATCH", &sales), off, 200).await;
    assert_eq!(
        gateway.in_the(&key, "Sales").await,
        [("bob".to_owned(), Value::Null)],
        "who is in it is still told"
    );
    gateway.check().await;
}

// C083: nobody widens the access of those who may do more
#[tokio::test]
async fn whoever_may_do_less_than_admins_does_not_widen_their_access() {
    let (gateway, _) = staffed().await;
    for (scopes, status) in [
        (vec![Permission::MembersManage, Permission::DataExport], 403),
        (vec![Permission::WorkspaceManage], 403),
        (Permission::OF_WORKSPACE[..8].to_vec(), 403),
        (Permission::OF_WORKSPACE.to_vec(), 200),
    ] {
        let (_, key) = gateway
            .key_of(Some(&gateway.workspace), new_key(&scopes))
            .await;
        let body = json!({"admins_in_all_teams": true});
        gateway.asked(&key, ("PATCH", ""), body, status).await;
        let named = json!({"name": "Mine", "admins_in_all_teams": false});
        gateway.asked(&key, ("PATCH", ""), named, 403).await;
        let wide = settings_of(&gateway).await;
        assert_eq!(wide, status == 200, "all of a change or nothing");
    }
    gateway.check().await;
}

async fn settings_of(gateway: &Gateway) -> bool {
    let found = gatehouse::workspace::find(&gateway.app, "acme").await;
    found.unwrap().admins_in_all_teams
}

#[tokio::test]
async fn a_document_says_how_far_admins_have_access() {
    let (gateway, _) = staffed().await;
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    let by = (&Origin::cli(), &Scopes::everything());
    let wanted: Configuration =
        serde_json::from_value(json!({"admins_in_all_teams": true})).unwrap();
    let plan = configuration::plan(app, by, workspace, wanted.clone(), false)
        .await
        .unwrap();
    assert!(
        plan.to_string()
            .starts_with("~ access\n    admins_in_all_teams: false -> true")
    );
    let options = configuration::Options::default;
    let weak: Scopes = [Permission::WorkspaceManage].into_iter().collect();
    let refused = (&Origin::cli(), &weak);
    let refused = configuration::apply(app, refused, workspace, wanted.clone(), options()).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    configuration::apply(app, by, workspace, wanted, options())
        .await
        .unwrap();
    assert!(settings_of(&gateway).await);
    let document = configuration::export(app, workspace).await.unwrap();
    assert_eq!(document.admins_in_all_teams, Some(true));
    let again = configuration::plan(app, by, workspace, document, true)
        .await
        .unwrap();
    assert!(again.effects.is_empty());
    let narrow = Edit {
        admins_in_all_teams: Some(false),
        ..Edit::default()
    };
    settings::edit(app, by, workspace, narrow).await.unwrap();
    assert!(!settings_of(&gateway).await);
    gateway.check().await;
}
