//! Who is meant by somebody who signs in for the first time: the table of arrivals with the login door.

use gatehouse::admission::entry::{self, Entrant};
use gatehouse::changes::Origin;
use gatehouse::ids::MemberId;
use gatehouse::login::connections::{ConnectionKind, Shown};
use gatehouse::login::settings::{Attribute, ClientAuth, Edit, FirstLogin};
use gatehouse::scim::etag::Precondition;
use gatehouse::store::members::Source;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::GrantKind;
use gatehouse::workspace::profile::{self, Say};
use gatehouse::workspace::{members, seats, status};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::provider::Provider;
use crate::visitors::{Browser, ada, edit, gateway, pushed, way};

/// A gateway with a proved domain and a connection that takes whoever is in it, if it is to.
async fn doors(first_login: FirstLogin) -> (Gateway, Provider, Shown) {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    provider.person(json!({"sub": "root"}));
    let open = gateway
        .open(
            &provider,
            &Edit {
                first_login: Some(first_login),
                ..edit(&provider)
            },
        )
        .await;
    provider.person(ada());
    (gateway, provider, open)
}

impl Gateway {
    /// Brings somebody of that address in by hand, as a draft with a team.
    async fn drafts(&self, email: &str) -> MemberId {
        let entrant = Entrant {
            edit: profile::Edit {
                email: Say::Set(email.to_owned()),
                ..profile::Edit::default()
            },
            rights: vec![Right {
                kind: GrantKind::Role,
                name: "admin".to_owned(),
            }],
        };
        let everything = Scopes::everything();
        let by = (&Origin::cli(), &everything);
        let entered = entry::enter(&self.app, by, self.workspace.id, Source::Api, entrant).await;
        entered.unwrap().member
    }

    async fn people(&self) -> Vec<members::Listed> {
        let all = members::list(&self.app, self.workspace.id, None, 100)
            .await
            .unwrap();
        let root = Some("root@acme.example".to_owned());
        all.into_iter().filter(|it| it.email != root).collect()
    }
}

async fn come(gateway: &Gateway, provider: &Provider, open: &Shown) -> Answer {
    Browser::default()
        .through(gateway, provider, &way(open))
        .await
}

fn unvouched() -> Value {
    let mut person = ada();
    person.as_object_mut().unwrap().remove("email_verified");
    person
}

// C101
#[tokio::test]
async fn nobody_becomes_a_member_by_a_login_unless_a_domain_says_so() {
    let (gateway, provider, open) = doors(FirstLogin::Refuse).await;
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.people().await.len(), 0);

    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let mut elsewhere = ada();
    elsewhere["email"] = json!("ada@other.example");
    let mut without = ada();
    without.as_object_mut().unwrap().remove("email");
    for person in [unvouched(), elsewhere, without] {
        provider.person(person);
        let refused = come(&gateway, &provider, &open).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
    }
    assert_eq!(gateway.people().await.len(), 0);
    provider.person(ada());
    for _ in 0..2 {
        let answer = come(&gateway, &provider, &open).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    let people = gateway.people().await;
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].display_name.as_deref(), Some("Ada Lovelace"));
    assert!(people[0].roles.is_empty() && people[0].teams.is_empty());
    // Known by the subject from now on, whatever else changes.
    let mut renamed = ada();
    renamed["email"] = json!("eve@evil.example");
    provider.person(renamed);
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(gateway.people().await.len(), 1);
    gateway.check().await;
}

#[tokio::test]
async fn of_many_first_logins_at_once_one_makes_the_member() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let one = || come(&gateway, &provider, &open);
    let answers = futures_util::future::join_all((0..6).map(|_| one())).await;
    for answer in answers {
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    assert_eq!(gateway.people().await.len(), 1);
    assert_eq!(gateway.count("identities").await, 1);
    gateway.check().await;
}

// C101 C102
#[tokio::test]
async fn whoever_is_expected_comes_in_by_a_proved_address_alone() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let expected = gateway.drafts("ada@acme.example").await;
    provider.person(unvouched());
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.refused_logins().await, ["unproved"]);

    provider.person(ada());
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let people = gateway.people().await;
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].id, expected);
    assert!(
        people[0].roles.contains("admin"),
        "what was given waits for it"
    );
    // Another subject with the same proved address is not that person.
    let mut other = ada();
    other["sub"] = json!("00u2");
    provider.person(other);
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(
        gateway.refused_logins().await,
        ["unproved", "another_identity"]
    );
    gateway.check().await;
}

#[tokio::test]
async fn an_address_outside_proved_domains_finds_nobody() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    gateway.drafts("ada@other.example").await;
    let mut elsewhere = ada();
    elsewhere["email"] = json!("ada@other.example");
    provider.person(elsewhere);
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.refused_logins().await, ["unproved"]);
    assert_eq!(gateway.count("identities").await, 0);
}

#[tokio::test]
async fn several_of_one_address_are_nobody() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let scim = gateway.scim().await;
    for name in ["one@acme.example", "two@acme.example"] {
        let mut user = pushed();
        (user["userName"], user["externalId"]) = (json!(name), json!(name));
        scim.created("/Users", &user).await;
    }
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.refused_logins().await, ["several"]);
}

#[tokio::test]
async fn login_and_directory_in_either_order_make_one_person() {
    // The directory first: by externalId, whatever the address says.
    let (gateway, provider) = gateway().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &pushed()).await;
    let with = Edit {
        directory: Some("idp".to_owned()),
        ..edit(&provider)
    };
    let open = gateway.open(&provider, &with).await;
    provider.person(json!({"sub": "00u1"}));
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(gateway.people().await.len(), 1);
    // Case counts in what an identity provider calls somebody.
    provider.person(json!({"sub": "00U1"}));
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    gateway.check().await;

    // The login first: the name is the member's, until an admin or a domain lets it be adopted.
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let scim = gateway.scim().await;
    let (status, body) = scim.send("POST", "/Users", Some(&pushed())).await;
    assert_eq!(status, 409, "{body}");
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let (app, id) = (&gateway.app, gateway.workspace.id);
    gatehouse::workspace::domains::set_adoption(app, by, id, "acme.example", true)
        .await
        .unwrap();
    scim.created("/Users", &pushed()).await;
    assert_eq!(gateway.people().await.len(), 1);
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    gateway.check().await;
}

#[tokio::test]
async fn a_user_name_finds_whom_the_directory_pushed_where_an_admin_says_so() {
    let (gateway, provider) = gateway().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &pushed()).await;
    let with = Edit {
        directory: Some("idp".to_owned()),
        matching_claim: Some("/upn".to_owned()),
        matching_attribute: Some(Attribute::UserName),
        ..edit(&provider)
    };
    let open = gateway.open(&provider, &with).await;
    provider.person(json!({"sub": "x", "upn": "ADA@acme.example"}));
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    // Never where several tenants come in: names are what a tenant says they are.
    let several = Edit {
        kind: Some(ConnectionKind::EntraMultiTenant),
        name: Some("Several".to_owned()),
        tenants: Some(["t1".to_owned()].into()),
        ..with
    };
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let (app, id) = (&gateway.app, gateway.workspace.id);
    let refused = gatehouse::login::connections::create(app, by, id, &several).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("matching_attribute"), "{refused}");
}

#[tokio::test]
async fn the_test_login_tells_what_is_not_aligned() {
    let (gateway, provider) = gateway().await;
    let scim = gateway.scim().await;
    let mut user = pushed();
    user["externalId"] = json!("ada");
    scim.created("/Users", &user).await;
    let with = Edit {
        kind: Some(ConnectionKind::Entra),
        directory: Some("idp".to_owned()),
        ..edit(&provider)
    };
    let made = gateway.connection(&with).await;
    provider.person(json!({
        "sub": "pairwise", "oid": "oid-1", "preferred_username": "ada@acme.example",
        "email": "ada.l@acme.example",
    }));
    let shown = gateway.test(&provider, made.id).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    for told in ["mailNickname", "email_verified", "not by userName"] {
        assert!(shown.text.contains(told), "{told}: {}", shown.text);
    }
    assert!(!shown.text.contains("another sub"), "{}", shown.text);
    // Once the directory says the same, nothing is left of it.
    user["externalId"] = json!("oid-1");
    user["userName"] = json!("second@acme.example");
    user["emails"] = json!([]);
    scim.created("/Users", &user).await;
    provider.person(json!({
        "sub": "pairwise", "oid": "oid-1", "preferred_username": "ada.l@acme.example",
        "email": "ada.l@acme.example", "email_verified": true,
    }));
    let shown = gateway.test(&provider, made.id).await;
    assert!(!shown.text.contains("What will not work"), "{}", shown.text);
    // Only admins test, each in the own browser and workspace.
    let path = format!("/connections/{}/{}/test", gateway.workspace.id, made.id);
    let refused = Browser::default().get(&gateway, &path).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    let mut admin = gateway.admin().await;
    let url = admin.led(&gateway, &path).await;
    let back = provider.sign_in(&url);
    let mut later = gateway.admin().await;
    let stolen = later.get(&gateway, &back).await;
    assert_eq!(stolen.status, 400, "{}", stolen.text);
}

#[tokio::test]
async fn whoever_is_out_stays_out() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let ada_is = gateway.people().await[0].id;
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let whose = (gateway.workspace.id, ada_is);
    status::suspend(&gateway.app, by, whose).await.unwrap();
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    status::remove(&gateway.app, by, whose, Precondition::default())
        .await
        .unwrap();
    let refused = come(&gateway, &provider, &open).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.refused_logins().await, ["shut_out", "left"]);
    // One who is brought in again is a newcomer to the connection, and comes in by the proof.
    gateway.drafts("ada@acme.example").await;
    assert_eq!(gateway.count("identities").await, 0);
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(gateway.people().await[0].id, ada_is);
    gateway.check().await;
}

#[tokio::test]
async fn without_a_seat_nobody_is_signed_in() {
    let (gateway, provider, open) = doors(FirstLogin::ProvedDomains).await;
    let limit = seats::Limit {
        seat_limit: Some(seats::FEWEST),
        ..seats::show(&gateway.app, gateway.workspace.id)
            .await
            .unwrap()
            .limit
    };
    seats::set(&gateway.app, &Origin::cli(), gateway.workspace.id, limit)
        .await
        .unwrap();
    for (at, status) in [(1, 303), (2, 303), (3, 403)] {
        let mut person = ada();
        person["sub"] = json!(format!("00u{at}"));
        person["email"] = json!(format!("ada{at}@acme.example"));
        provider.person(person);
        let answer = come(&gateway, &provider, &open).await;
        assert_eq!(answer.status, status, "{at}: {}", answer.text);
    }
    assert_eq!(gateway.refused_logins().await, ["no_seat"]);
    gateway.check().await;
}

#[tokio::test]
async fn a_provider_of_oauth_alone_says_who_is_there() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    let base = &provider.base;
    let plain = Edit {
        kind: Some(ConnectionKind::Oauth2),
        issuer: None,
        authorization_endpoint: Some(format!("{base}/authorize")),
        token_endpoint: Some(format!("{base}/token")),
        userinfo_endpoint: Some(format!("{base}/userinfo")),
        client_auth: Some(ClientAuth::Post),
        subject: Some("/user/id".to_owned()),
        email: Some("/user/mails/0".to_owned()),
        email_verified: Some("/user/verified".to_owned()),
        ..edit(&provider)
    };
    let person = |id: Value| json!({"user": {"id": id, "mails": ["ada@acme.example"], "verified": true}, "sub": "x"});
    provider.person(person(json!(4711)));
    let open = gateway.open(&provider, &plain).await;
    for id in [
        json!(null),
        json!(""),
        json!({}),
        json!(1.5),
        json!("x".repeat(300)),
    ] {
        provider.person(person(id.clone()));
        let refused = come(&gateway, &provider, &open).await;
        assert_eq!(refused.status, 400, "{id}: {}", refused.text);
    }
    provider.person(person(json!(4711)));
    let answer = come(&gateway, &provider, &open).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(gateway.texts("identities", "subject").await, ["4711"]);
}
