//! People who sign in for the first time and ask to be let in.

use gatehouse::admission::first_login::{self, Newcomer, Visitor, Why};
use gatehouse::admission::join_requests::{self, KEPT};
use gatehouse::changes::{Act, Origin};
use gatehouse::ids::ConnectionId;
use gatehouse::login::connections::{self, Shown};
use gatehouse::login::settings::{Edit, FirstLogin};
use gatehouse::store::identities::Identity;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::provider::Provider;
use crate::visitors::{Browser, ada, edit, gateway, way};
use crate::walk::Walk;

/// Every call about requests to be let in, each with what it must leave in the log.
pub(crate) async fn walked(walk: &mut Walk<'_>) {
    let (gateway, everything) = (walk.gateway, Scopes::everything());
    let plain = Edit {
        kind: Some(connections::ConnectionKind::Oauth2),
        name: Some("Asking".to_owned()),
        client_id: Some("ours".to_owned()),
        authorization_endpoint: Some("https://id.example/authorize".to_owned()),
        token_endpoint: Some("https://id.example/token".to_owned()),
        userinfo_endpoint: Some("https://id.example/user".to_owned()),
        ..Edit::default()
    };
    let by = (&Origin::cli(), &everything);
    let made = connections::create(&gateway.app, by, gateway.workspace.id, &plain).await;
    let made = made.unwrap().id;
    let one = "/join-requests/{id}";
    let approve = format!("{one}/approve");
    let decline = format!("{one}/decline");
    let removed: &[&str] = &["join_request.removed"];
    let declined: &[&str] = &["join_request.declined"];
    let approved: &[&str] = &["join_request.approved", "member.added", "member.let_in"];
    for (subject, call, kinds) in [
        ("one", ("DELETE", one), removed),
        ("two", ("POST", &*decline), declined),
        ("three", ("POST", &*approve), approved),
    ] {
        assert_eq!(gateway.asks(made, subject).await, Why::Asked);
        let all = join_requests::list(&gateway.app, gateway.workspace.id);
        let all = all.await.unwrap();
        let id = all.iter().find(|it| it.subject == subject).unwrap().id;
        walk.admin(call, &[&id.to_string()], Value::Null, kinds)
            .await;
    }
}

impl Gateway {
    /// Lets somebody ask to be let in whom a provider calls so.
    async fn asks(&self, connection: ConnectionId, subject: &str) -> Why {
        let visitor = Visitor {
            identity: Identity {
                connection,
                issuer: String::new(),
                subject: subject.to_owned(),
            },
            known_as: None,
            email: Some("ada@elsewhere.example".to_owned()),
            is_vouched: false,
            display_name: Some("Ada".to_owned()),
            given_name: None,
            family_name: None,
            newcomer: Newcomer::Asks,
            rights: Vec::new(),
        };
        let act = Act::of(&self.app, &Origin::cli(), self.workspace.id);
        let app = self.app.clone();
        let admitted = self.app.write(move |tx| {
            let (app, act, visitor) = (app.clone(), act.clone(), visitor.clone());
            Box::pin(async move { first_login::admit(tx, &app, &act, &visitor).await })
        });
        admitted.await.unwrap().unwrap_err()
    }
}

/// A connection whose newcomers an admin decides about, who are to have a team and a role.
async fn queue() -> (Gateway, Provider, Shown, String) {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    let path = "/workspaces/acme/teams";
    let team = gateway
        .api(&key, "POST", path, Some(&json!({"name": "Welcome"})))
        .await;
    assert_eq!(team.status, 201, "{}", team.text);
    provider.person(json!({"sub": "root"}));
    let asking = Edit {
        first_login: Some(FirstLogin::Queue),
        newcomer_teams: Some(vec!["welcome".to_owned()]),
        newcomer_roles: Some(vec!["user".to_owned()]),
        ..edit(&provider)
    };
    let open = gateway.open(&provider, &asking).await;
    provider.person(ada());
    (gateway, provider, open, key)
}

async fn come(gateway: &Gateway, provider: &Provider, open: &Shown, status: u16) {
    let mut browser = Browser::default();
    let answer = browser.through(gateway, provider, &way(open)).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(browser.is_in(gateway).await, status == 303);
}

async fn only(gateway: &Gateway, key: &str) -> Value {
    let path = "/workspaces/acme/join-requests";
    let listed = gateway.api(key, "GET", path, None).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", listed.text);
    items[0].clone()
}

async fn decide(gateway: &Gateway, key: &str, request: &Value, how: &str) -> u16 {
    let id = request["id"].as_str().unwrap();
    let path = format!("/workspaces/acme/join-requests/{id}/{how}");
    gateway.api(key, "POST", &path, None).await.status
}

// C101
#[tokio::test]
async fn whoever_asks_is_nobody_until_an_admin_says_so() {
    let (gateway, provider, open, key) = queue().await;
    for _ in 0..2 {
        come(&gateway, &provider, &open, 403).await;
    }
    assert_eq!(gateway.refused_logins().await, ["asked", "asked"]);
    let request = only(&gateway, &key).await;
    assert_eq!(request["email"], "ada@acme.example");
    assert_eq!(request["email_verified"], true);
    assert_eq!(request["connection"], "Okta");
    assert_eq!(gateway.count("identities").await, 0);
    assert!(!gateway.told("ada@acme.example").await, "only sealed");
    // Nobody gives more than one has, nor decides who may not.
    let reader = gateway.key(&[Permission::MembersRead]).await;
    assert_eq!(decide(&gateway, &reader, &request, "approve").await, 403);
    assert_eq!(decide(&gateway, &key, &request, "approve").await, 200);
    assert_eq!(decide(&gateway, &key, &request, "approve").await, 404);
    assert_eq!(gateway.count("join_requests").await, 0);
    come(&gateway, &provider, &open, 303).await;
    let people = members::list(&gateway.app, gateway.workspace.id, None, 10);
    let people = people.await.unwrap();
    let found = people
        .iter()
        .find(|it| it.email.as_deref() == Some("ada@acme.example"));
    let found = found.expect("the new member");
    assert!(found.teams.contains("Welcome"), "{:?}", found.teams);
    assert!(found.roles.contains("user"), "{:?}", found.roles);
    gateway.check().await;
}

#[tokio::test]
async fn whoever_is_declined_is_told_so_until_the_request_is_forgotten() {
    let (gateway, provider, open, key) = queue().await;
    come(&gateway, &provider, &open, 403).await;
    let request = only(&gateway, &key).await;
    assert_eq!(decide(&gateway, &key, &request, "decline").await, 204);
    come(&gateway, &provider, &open, 403).await;
    let declined = only(&gateway, &key).await;
    assert_eq!(declined["email"], Value::Null);
    assert_eq!(decide(&gateway, &key, &request, "approve").await, 409);
    let path = format!(
        "/workspaces/acme/join-requests/{}",
        request["id"].as_str().unwrap()
    );
    let gone = gateway.api(&key, "DELETE", &path, None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    come(&gateway, &provider, &open, 403).await;
    assert_eq!(
        gateway.refused_logins().await,
        ["asked", "declined", "asked"]
    );
    // What nobody decides is kept for a while only.
    gateway.app.clock.advance(KEPT);
    assert_eq!(join_requests::forget(&gateway.app).await.unwrap(), 0);
    gateway.app.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(join_requests::forget(&gateway.app).await.unwrap(), 1);
    gateway.check().await;
}

// C101 C103
#[tokio::test]
async fn an_address_that_nothing_proves_is_nobodys_after_approval_either() {
    let (gateway, provider, open, key) = queue().await;
    let mut eve = ada();
    (eve["sub"], eve["email_verified"]) = (json!("eve"), json!(false));
    provider.person(eve);
    come(&gateway, &provider, &open, 403).await;
    let request = only(&gateway, &key).await;
    assert_eq!(request["email_verified"], false);
    assert_eq!(decide(&gateway, &key, &request, "approve").await, 200);
    assert_eq!(gateway.count("login_names").await, 0);
    // The one whose address it is asks for herself, by whichever connection, and is nobody's heir.
    let other = Edit {
        name: Some("Other".to_owned()),
        first_login: Some(FirstLogin::Queue),
        ..edit(&provider)
    };
    provider.person(json!({"sub": "root"}));
    let beside = gateway.open(&provider, &other).await;
    provider.person(ada());
    come(&gateway, &provider, &beside, 403).await;
    assert_eq!(gateway.refused_logins().await, ["asked", "asked"]);
    gateway.check().await;
}

#[tokio::test]
async fn a_newcomer_has_what_is_there_still_of_what_a_connection_gives() {
    let (gateway, provider, open, key) = queue().await;
    let team = open.settings.newcomer_teams.first().unwrap();
    let path = format!("/workspaces/acme/teams/{team}");
    let archived = gateway
        .api(&key, "PATCH", &path, Some(&json!({"archived": true})))
        .await;
    assert_eq!(archived.status, 200, "{}", archived.text);
    let at_once = json!({"first_login": "proved_domains"});
    let path = format!("/workspaces/acme/connections/{}", open.id);
    let edited = gateway.api(&key, "PATCH", &path, Some(&at_once)).await;
    assert_eq!(edited.body["state"], "enabled", "{}", edited.text);
    come(&gateway, &provider, &open, 303).await;
    let people = members::list(&gateway.app, gateway.workspace.id, None, 10);
    let people = people.await.unwrap();
    let found = people
        .iter()
        .find(|it| it.email.as_deref() == Some("ada@acme.example"));
    let found = found.expect("the new member");
    assert!(found.teams.is_empty() && found.roles.contains("user"));
    let unknown = json!({"newcomer_roles": ["nothing"]});
    let refused = gateway.api(&key, "PATCH", &path, Some(&unknown)).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    gateway.check().await;
}
