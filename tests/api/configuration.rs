//! Configuration as code: what a plan tells, and what applying it does.

use gatehouse::changes::Origin;
use gatehouse::configuration::{self, Applied, Configuration, Options, Plan};
use gatehouse::error::{Error, Result};
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::teams;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::new_key;
use crate::members::role;

fn document(value: Value) -> Configuration {
    serde_json::from_value(value).unwrap()
}

/// What somebody wants of a workspace that has nothing yet.
fn wanted() -> Value {
    json!({
        "workspace": "acme",
        "seats": {"limit": 25, "policy": "hold", "contact": "billing@acme.example"},
        "teams": [
            {"name": "Support"},
            {"name": "Night", "enabled": false},
            {"name": "Former", "archived": true},
        ],
        "roles": [{"name": "Lead", "permissions": ["members.read", "teams.manage"]}],
        "directories": [{"name": "okta", "kind": "okta", "mode": "collect", "strict": true}],
    })
}

impl Gateway {
    async fn plan_of(&self, value: Value, prune: bool) -> Result<Plan> {
        let by = (&Origin::cli(), &Scopes::everything());
        let wanted = document(value);
        configuration::plan(&self.app, by, &self.workspace, wanted, prune).await
    }

    async fn applied(&self, value: Value, options: Options) -> Result<Plan> {
        let by = (&Origin::cli(), &Scopes::everything());
        let wanted = document(value);
        match configuration::apply(&self.app, by, &self.workspace, wanted, options).await? {
            Applied::Done(plan) => Ok(plan),
            Applied::Stale(plan) => Err(Error::Conflict(format!("stale: {}", plan.hash))),
        }
    }

    async fn exported(&self) -> Value {
        let found = configuration::export(&self.app, &self.workspace).await;
        json!(found.unwrap())
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let text = plan.to_string();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_document_is_planned_applied_once_and_exported_as_it_is() {
    let gateway = Gateway::new().await;
    let before = gateway.count("changes").await;
    let plan = gateway.plan_of(wanted(), false).await.unwrap();
    assert_eq!(
        gateway.count("changes").await,
        before,
        "a plan writes nothing"
    );
    assert_eq!(gateway.count("teams").await, 0);
    let told = lines(&plan);
    assert_eq!(told[0], "~ seats");
    for line in [
        "    limit: null -> 25",
        "+ team \"Support\"",
        "    archived: true",
        "+ role \"Lead\"",
        "    permissions: [\"members.read\",\"teams.manage\"]",
        "+ directory \"okta\"",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {plan}");
    }
    let last = told.last().unwrap();
    assert!(
        last.starts_with("5 to add, 1 to change, 0 to end; plan "),
        "{last}"
    );

    let agreed = Options {
        plan: Some(plan.hash.clone()),
        ..Options::default()
    };
    let done = gateway.applied(wanted(), agreed.clone()).await.unwrap();
    assert_eq!(done, plan);
    assert!(gateway.told("\"effects\":6").await);
    let after = gateway.count("changes").await;
    let again = gateway.applied(wanted(), Options::default()).await.unwrap();
    assert!(again.effects.is_empty(), "{again}");
    assert_eq!(gateway.count("changes").await, after, "nothing to do");
    let stale = gateway.applied(wanted(), agreed).await.unwrap_err();
    assert!(stale.to_string().contains("stale"), "{stale}");

    let exported = gateway.exported().await;
    assert_eq!(exported["directories"][0]["strict"], true);
    let plan = gateway.plan_of(exported.clone(), true).await.unwrap();
    assert!(plan.effects.is_empty(), "{plan}");
    // As the file that the command line writes and reads.
    let text = toml::to_string_pretty(&document(exported.clone())).unwrap();
    let read: Configuration = toml::from_str(&text).unwrap();
    assert_eq!(json!(read), exported, "{text}");
    gateway.check().await;
}

#[tokio::test]
async fn what_a_document_does_not_name_stays_unless_it_is_to_end() {
    let gateway = Gateway::new().await;
    gateway.applied(wanted(), Options::default()).await.unwrap();
    let other = json!({
        "teams": [{"name": "SUPPORT", "enabled": false}],
        "roles": [{"name": "lead", "permissions": ["members.read"]}],
        "directories": [],
    });
    let kept = gateway.plan_of(other.clone(), false).await.unwrap();
    let names: Vec<_> = kept.effects.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Support", "Lead"], "{kept}");
    let prune = || Options {
        prune: true,
        plan: None,
    };
    let none = json!({"teams": [], "roles": []});
    // Somebody has the role: all of it is refused, the plan as well.
    let ada = json!({"email": "ada@acme.example"});
    let ada = gateway.enter(ada, &[role("Lead")]).await.unwrap().member;
    for refused in [
        gateway.plan_of(none.clone(), true).await,
        gateway.applied(none.clone(), prune()).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Conflict(_)), "{refused}");
        assert!(refused.to_string().contains("role \"Lead\""), "{refused}");
    }
    let teams = teams::list(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    let archived = teams.iter().filter(|team| team.archived_at.is_some());
    assert_eq!(archived.count(), 1, "nothing is half done");
    gateway.take(ada, role("Lead")).await.unwrap();
    let done = gateway.applied(none.clone(), prune()).await.unwrap();
    assert_eq!(done.effects.len(), 3, "{done}");
    let exported = gateway.exported().await;
    assert_eq!(exported["roles"], json!([]));
    let all_ended = exported["teams"].as_array().unwrap().iter();
    assert!(all_ended.clone().all(|team| team["archived"] == true));
    assert_eq!(exported["directories"].as_array().unwrap().len(), 1);
    let again = gateway.applied(none, prune()).await.unwrap();
    assert!(again.effects.is_empty(), "{again}");
    // A team is back under its own id.
    let back = json!({"teams": [{"name": "Support"}]});
    gateway.applied(back, Options::default()).await.unwrap();
    assert_eq!(gateway.count("teams").await, 3);
    gateway.check().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_is_refused_with_the_reason() {
    let gateway = Gateway::new().await;
    gateway.applied(wanted(), Options::default()).await.unwrap();
    let before = gateway.count("changes").await;
    for (wrong, says) in [
        (json!({"workspace": "other"}), "another one"),
        (json!({"teams": [{"name": "A"}, {"name": "a"}]}), "twice"),
        (json!({"teams": [{"name": ""}]}), "teams"),
        (json!({"roles": [{"name": "Admin"}]}), "built in"),
        (
            json!({"teams": [{"name": "New"}], "roles": [{"name": "X", "permissions": ["no.such"]}]}),
            "no.such",
        ),
        (
            json!({"seats": {"limit": 2, "policy": "hold"}}),
            "limit must be",
        ),
        (
            json!({"directories": [{"name": "okta", "kind": "entra", "mode": "collect"}]}),
            "stay as they are",
        ),
    ] {
        for refused in [
            gateway.plan_of(wrong.clone(), false).await,
            gateway.applied(wrong.clone(), Options::default()).await,
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.to_string().contains(says), "{refused}");
        }
    }
    assert_eq!(gateway.count("changes").await, before);
    assert_eq!(gateway.count("teams").await, 3, "nothing is half done");
}

// C083: a document changes nothing that its bearer could not change otherwise
#[tokio::test]
async fn a_key_applies_only_what_it_may_do_by_itself() {
    let gateway = Gateway::new().await;
    let few = gateway
        .key(&[Permission::WorkspaceManage, Permission::TeamsManage])
        .await;
    let all = gateway.key(&Permission::ALL[..9]).await;
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let path = "/workspaces/acme/configuration";
    let send = async |key: &str, what: &str, document: Value| {
        let body = json!({"configuration": document});
        let path = format!("{path}/{what}");
        gateway.api(key, "POST", &path, Some(&body)).await
    };
    let mut no_seats = wanted();
    no_seats.as_object_mut().unwrap().remove("seats");
    for (key, document) in [(&few, no_seats.clone()), (&all, wanted())] {
        for what in ["plan", "apply"] {
            let refused = send(key, what, document.clone()).await;
            assert_eq!(refused.status, 403, "{}", refused.text);
        }
    }
    assert_eq!(gateway.count("teams").await, 0);
    let teams = send(&few, "apply", json!({"teams": [{"name": "Support"}]})).await;
    assert_eq!(teams.status, 200, "{}", teams.text);
    assert_eq!(teams.body["effects"][0]["kind"], "team");
    let own = send(&all, "apply", no_seats).await;
    assert_eq!(own.status, 200, "{}", own.text);
    let seats = send(&operator, "plan", wanted()).await;
    assert_eq!(seats.body["effects"].as_array().unwrap().len(), 1);
    let beyond = json!({"roles": [{"name": "Boss", "permissions": ["data.export"]}]});
    let roles = gateway
        .key(&[Permission::WorkspaceManage, Permission::RolesManage])
        .await;
    let refused = send(&roles, "apply", beyond).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let shown = gateway.api(&all, "GET", path, None).await;
    assert_eq!(shown.body["workspace"], "acme");
    let unknown = send(&all, "plan", json!({"colours": []})).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    gateway.check().await;
}

#[tokio::test]
async fn rules_are_part_of_a_document() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = scim.created("/Users", &json!({"userName": "ada"})).await;
    let crew = json!({"displayName": "Crew", "members": [{"value": ada}]});
    scim.created("/Groups", &crew).await;
    let rules = |teams: Value, language: &str| {
        json!({
            "teams": [{"name": "Deck"}, {"name": "Night"}],
            "roles": [{"name": "Lead"}],
            "rules": [
                {"directory": "IDP", "groups": ["crew"], "teams": teams, "language": language},
                {"directory": "idp", "groups": ["Later"], "roles": ["lead"], "priority": 5},
                {"directory": "idp", "when": "TITLE eq \"Boss\"", "teams": ["Night"]},
            ],
        })
    };
    let first = rules(json!(["deck"]), "en-gb");
    let plan = gateway.plan_of(first.clone(), false).await.unwrap();
    assert!(
        lines(&plan).contains(&"+ rule \"IDP: crew\"".to_owned()),
        "{plan}"
    );
    assert_eq!(gateway.count("rules").await, 0);
    let done = gateway
        .applied(first.clone(), Options::default())
        .await
        .unwrap();
    assert_eq!(done, plan);
    assert_eq!(gateway.in_team("Deck").await, 1);
    let language = gateway
        .details(gateway.member("ada").await.id)
        .await
        .language;
    assert_eq!(language.as_deref(), Some("en-GB"));
    let again = gateway.applied(first, Options::default()).await.unwrap();
    assert!(again.effects.is_empty(), "{again}");

    let moved = rules(json!(["Night"]), "en-GB");
    let done = gateway.applied(moved, Options::default()).await.unwrap();
    assert_eq!(done.effects.len(), 1, "{done}");
    assert_eq!(done.effects[0].differences.len(), 1, "{done}");
    assert_eq!(
        (
            gateway.in_team("Deck").await,
            gateway.in_team("Night").await
        ),
        (0, 1)
    );
    let exported = gateway.exported().await;
    assert_eq!(exported["rules"].as_array().unwrap().len(), 3);
    let text = toml::to_string_pretty(&document(exported.clone())).unwrap();
    let read: Configuration = toml::from_str(&text).unwrap();
    let plan = gateway.plan_of(json!(read), true).await.unwrap();
    assert!(plan.effects.is_empty(), "{plan}");

    // A rule ends before the role that it alone gives.
    let prune = Options {
        prune: true,
        plan: None,
    };
    let none = json!({"rules": [], "roles": []});
    let done = gateway.applied(none, prune).await.unwrap();
    assert_eq!(done.effects.len(), 4, "{done}");
    assert_eq!(gateway.in_team("Night").await, 0);
    for (wrong, says) in [
        (
            json!({"directory": "none", "groups": ["Crew"], "teams": ["Deck"]}),
            "directory",
        ),
        (
            json!({"directory": "idp", "groups": ["Crew"], "teams": ["Typo"]}),
            "Typo",
        ),
        (json!({"directory": "idp", "groups": ["Crew"]}), "give"),
        (
            json!({"directory": "idp", "when": "title eq", "teams": ["Deck"]}),
            "rule",
        ),
    ] {
        let wrong = json!({"rules": [wrong]});
        let refused = gateway.plan_of(wrong, false).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    gateway.check().await;
}
