//! What admins do to members, and what a directory does to the same members at the same time.

use gatehouse::admission::editing;
use gatehouse::admission::entry::{self, Entered, Entrant, Outcome};
use gatehouse::changes::Origin;
use gatehouse::error::{Error, Result};
use gatehouse::ids::MemberId;
use gatehouse::scim::etag::Precondition;
use gatehouse::store::details;
use gatehouse::store::grants::GrantKind;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::{self, Right};
use gatehouse::workspace::members::{self, Listed, Member, Source, Status};
use gatehouse::workspace::profile::Edit;
use gatehouse::workspace::{activity, status};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations};

fn fields(value: Value) -> Edit {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn role(name: &str) -> Right {
    Right {
        kind: GrantKind::Role,
        name: name.to_owned(),
    }
}

impl Gateway {
    pub(crate) async fn enter(&self, value: Value, rights: &[Right]) -> Result<Entered> {
        let entrant = Entrant {
            edit: fields(value),
            rights: rights.to_vec(),
        };
        let workspace = self.workspace.id;
        entry::enter(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            workspace,
            Source::Api,
            entrant,
        )
        .await
    }

    pub(crate) async fn edit(&self, member: MemberId, value: Value) -> Result<()> {
        let which = (self.workspace.id, member);
        editing::edit(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            Precondition::default(),
            fields(value),
        )
        .await
    }

    pub(crate) async fn give(&self, member: MemberId, right: Right) -> Result<usize> {
        let which = (self.workspace.id, member);
        manual::give(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            vec![right],
        )
        .await
    }

    pub(crate) async fn take(&self, member: MemberId, right: Right) -> Result<()> {
        let which = (self.workspace.id, member);
        manual::take(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            vec![right],
        )
        .await
    }

    pub(crate) async fn suspend(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::suspend(&self.app, (&Origin::cli(), &Scopes::everything()), which).await
    }

    pub(crate) async fn activate(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::activate(&self.app, (&Origin::cli(), &Scopes::everything()), which).await
    }

    pub(crate) async fn remove(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::remove(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            Precondition::default(),
        )
        .await
    }

    pub(crate) async fn member(&self, name: &str) -> Member {
        let found = members::find(&self.app, self.workspace.id, name).await;
        found.unwrap()
    }

    pub(crate) async fn listed(&self, id: MemberId) -> Listed {
        let all = members::list(&self.app, self.workspace.id, None, 500).await;
        let mut all = all.unwrap().into_iter();
        all.find(|member| member.id == id).unwrap()
    }

    pub(crate) async fn details(&self, id: MemberId) -> details::Details {
        let mut tx = self.app.db.one().await.unwrap();
        let found = details::list(&mut tx, self.workspace.id, &[id]).await;
        found.unwrap().pop().unwrap().details
    }
}

/// A user and its member.
pub(crate) async fn person(gateway: &Gateway, scim: &Scim, name: &str) -> (String, MemberId) {
    let address = format!("{name}@acme.example");
    let body = json!({"userName": address, "emails": [{"value": address}]});
    let user = scim.created("/Users", &body).await;
    (user, gateway.member(&address).await.id)
}

pub(crate) fn conflict<T: std::fmt::Debug>(outcome: Result<T>, says: &str) {
    let refused = outcome.unwrap_err();
    assert!(
        matches!(&refused, Error::Conflict(why) if why.contains(says)),
        "{refused}"
    );
}

#[tokio::test]
async fn who_is_brought_in_twice_is_one_member_and_who_left_comes_back_without_rights() {
    let gateway = Gateway::new().await;
    let ada = json!({"email": "Ada@Acme.example", "given_name": "Ada", "user_id": "A-1"});
    let made = gateway.enter(ada, &[role("admin")]).await.unwrap();
    assert_eq!(made.outcome, Outcome::Created);
    let again = json!({"email": "ada@acme.example", "phone": "+442079460958"});
    let merged = gateway.enter(again, &[role("user")]).await.unwrap();
    assert_eq!(
        (merged.member, merged.outcome),
        (made.member, Outcome::Merged)
    );
    let member = gateway.member("ada@acme.example").await;
    assert_eq!((member.status, member.source), (Status::Draft, Source::Api));
    assert_eq!(member.given_name.as_deref(), Some("Ada"));
    // Rights wait for the person.
    assert!(gateway.listed(member.id).await.roles.is_empty());
    // The name that a workspace gives is one member's, whatever its case.
    let other = json!({"email": "bob@acme.example", "user_id": "a-1"});
    let refused = gateway.enter(other, &[]).await.unwrap_err();
    assert!(matches!(refused, Error::Taken("user_id")), "{refused}");
    assert_eq!(gateway.count("members").await, 1, "nothing is half done");

    gateway.remove(member.id).await.unwrap();
    let gone = members::find(&gateway.app, gateway.workspace.id, "ada@acme.example").await;
    assert!(matches!(gone, Err(Error::NotFound(_))));
    let back = json!({"email": "ada@acme.example"});
    let back = gateway.enter(back, &[]).await.unwrap();
    assert_eq!((back.member, back.outcome), (member.id, Outcome::Revived));
    let given = gateway.give(member.id, role("admin")).await;
    assert_eq!(given.unwrap(), 1, "the former one has ended");
    gateway.check().await;
}

#[tokio::test]
async fn many_who_bring_in_one_address_at_once_bring_in_one_member() {
    let gateway = Gateway::new().await;
    let entering = (0..12).map(|at| {
        let value = json!({"email": "ada@acme.example", "given_name": format!("Ada {at}")});
        gateway.enter(value, &[])
    });
    let entered = futures_util::future::join_all(entering).await;
    let created = entered
        .iter()
        .filter(|it| it.as_ref().unwrap().outcome == Outcome::Created);
    assert_eq!(created.count(), 1);
    assert_eq!(gateway.count("members").await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn a_directory_keeps_its_fields_and_admins_keep_theirs() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let kept = gateway.edit(ada, json!({"email": "x@acme.example"})).await;
    conflict(kept, "email is kept by the directory \"idp\"");
    let own = json!({
        "given_name": "Ada", "phone": "+44 20 7946 0958", "language": "en-gb",
        "line": {"kind": "numberless"}, "time_zone": "Europe/London",
    });
    gateway.edit(ada, own).await.unwrap();
    let title = operations(json!([{"op": "replace", "path": "title", "value": "Countess"}]));
    let path = format!("/Users/{user}");
    assert_eq!(scim.send("PATCH", &path, Some(&title)).await.0, 200);
    let member = gateway.member("ada@acme.example").await;
    assert_eq!(
        member.given_name.as_deref(),
        Some("Ada"),
        "nothing was said of it"
    );
    let details = gateway.details(ada).await;
    assert_eq!(details.phone.as_deref(), Some("+442079460958"));
    assert_eq!(details.language.as_deref(), Some("en-GB"));
    assert_eq!(details.line.as_deref(), Some("numberless"));
    // Once the directory says it, it is the directory's, and for good.
    let name = operations(json!([{"op": "add", "path": "name.givenName", "value": "Augusta"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&name)).await.0, 200);
    let member = gateway.member("ada@acme.example").await;
    assert_eq!(member.given_name.as_deref(), Some("Augusta"));
    let taken = gateway.edit(ada, json!({"given_name": "Ada"})).await;
    conflict(taken, "given_name is kept by the directory");
    let gone = operations(json!([{"op": "remove", "path": "name.givenName"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&gone)).await.0, 200);
    assert_eq!(gateway.member("ada@acme.example").await.given_name, None);
    gateway.edit(ada, json!({"phone": null})).await.unwrap();
    assert_eq!(gateway.details(ada).await.phone, None);
    gateway.check().await;
}

#[tokio::test]
async fn nobody_reports_to_oneself_however_long_the_way() {
    let gateway = Gateway::new().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let value = json!({"email": format!("{name}@acme.example")});
        ids.push(gateway.enter(value, &[]).await.unwrap().member);
    }
    gateway
        .edit(ids[0], json!({"manager": ids[1]}))
        .await
        .unwrap();
    gateway
        .edit(ids[1], json!({"manager": ids[2]}))
        .await
        .unwrap();
    conflict(
        gateway.edit(ids[2], json!({"manager": ids[0]})).await,
        "reports to",
    );
    conflict(
        gateway.edit(ids[2], json!({"manager": ids[2]})).await,
        "reports to",
    );
    let nobody = gateway
        .edit(ids[2], json!({"manager": MemberId::new()}))
        .await;
    assert!(matches!(nobody, Err(Error::Invalid { .. })));
    // Two who make each other manager at once.
    gateway
        .edit(ids[0], json!({"manager": null}))
        .await
        .unwrap();
    let one = gateway.edit(ids[0], json!({"manager": ids[2]}));
    let other = gateway.edit(ids[2], json!({"manager": ids[0]}));
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

// C072
#[tokio::test]
async fn whom_an_admin_shuts_out_no_directory_lets_in() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let crew = json!({"displayName": "Crew", "members": [member(&user)]});
    scim.created("/Groups", &crew).await;
    let epoch = gateway.epoch("ada@acme.example").await;
    gateway.suspend(ada).await.unwrap();
    assert_eq!(gateway.epoch("ada@acme.example").await, epoch + 1);
    let path = format!("/Users/{user}");
    for on in [
        json!({"op": "replace", "path": "active", "value": true}),
        json!({"op": "replace", "path": "title", "value": "Countess"}),
    ] {
        let (status, shown) = scim
            .send("PATCH", &path, Some(&operations(json!([on]))))
            .await;
        assert_eq!(
            (status, &shown["active"]),
            (200, &json!(true)),
            "what the directory wrote"
        );
        assert_eq!(gateway.listed(ada).await.status, Status::Suspended);
    }
    assert_eq!(gateway.in_team("Crew").await, 0);
    // The directory deletes and makes the same person anew.
    let body = json!({"userName": "ada@acme.example", "externalId": "7"});
    assert_eq!(scim.send("PUT", &path, Some(&body)).await.0, 200);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    let user = scim.created("/Users", &body).await;
    let path = format!("/Users/{user}");
    let member = gateway.member("ada@acme.example").await;
    assert_eq!((member.id, member.status), (ada, Status::Suspended));
    gateway.activate(ada).await.unwrap();
    assert_eq!(gateway.listed(ada).await.status, Status::Active);
    // What the directory says is out an admin does not let in.
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    conflict(gateway.activate(ada).await, "the directory \"idp\"");
    conflict(gateway.remove(ada).await, "the directory \"idp\"");
    gateway.check().await;
}

// C080
#[tokio::test]
async fn what_was_given_twice_ends_with_the_last_origin() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["One"], "Crew").await;
    gateway.rule(&["Two"], "Crew").await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let crew = || Right {
        kind: GrantKind::Team,
        name: "crew".to_owned(),
    };
    let mut paths = Vec::new();
    for name in ["One", "Two"] {
        let group = json!({"displayName": name, "members": [member(&user)]});
        paths.push(format!("/Groups/{}", scim.created("/Groups", &group).await));
    }
    assert_eq!(gateway.give(ada, crew()).await.unwrap(), 1);
    assert_eq!(
        gateway.give(ada, crew()).await.unwrap(),
        0,
        "it is there already"
    );
    let out =
        operations(json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]));
    for path in &paths {
        assert_eq!(scim.send("PATCH", path, Some(&out)).await.0, 200);
        assert_eq!(gateway.in_team("Crew").await, 1);
    }
    gateway.take(ada, crew()).await.unwrap();
    assert_eq!(gateway.in_team("Crew").await, 0);
    assert!(matches!(
        gateway.take(ada, crew()).await,
        Err(Error::NotFound(_))
    ));
    let back = operations(json!([{"op": "add", "path": "members", "value": [member(&user)]}]));
    assert_eq!(scim.send("PATCH", &paths[0], Some(&back)).await.0, 200);
    conflict(gateway.take(ada, crew()).await, "given by a rule");
    // Each beginning and end says what gave the team, the oldest first.
    let of = (gateway.workspace.id, ada);
    let told = activity::list(&gateway.app, of.0, of.1, activity::Spot::newest(), 100).await;
    let (mut said, mut rules) = (Vec::new(), Vec::new());
    for event in told.unwrap().events.iter().rev() {
        for list in ["begun", "ended"] {
            for grant in event.detail[list].as_array().into_iter().flatten() {
                assert_eq!(grant["name"], "Crew");
                let kind = grant["cause_kind"].as_str().unwrap();
                said.push(format!("{list} {kind}"));
                assert_eq!(grant["rule"].is_string(), kind == "rule", "{grant}");
                assert_eq!(grant["actor"], "cli");
                rules.extend(grant["rule"].as_str().map(str::to_owned));
            }
        }
    }
    let expected = [
        "begun rule",
        "begun rule",
        "begun admin",
        "ended rule",
        "ended rule",
        "ended admin",
        "begun rule",
    ];
    assert_eq!(said, expected);
    assert!(rules[0] != rules[1] && rules[0] == rules[2], "{rules:?}");
    assert!(rules[1] == rules[3] && rules[0] == rules[4], "{rules:?}");
    gateway.check().await;
}

#[tokio::test]
async fn what_a_draft_was_given_no_directory_sets_free() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let body = json!({"userName": "ada@acme.example", "externalId": "7",
                      "emails": [{"value": "ada@acme.example"}]});
    let user = scim.created("/Users", &body).await;
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{user}"), None).await.0,
        204
    );
    let again = json!({"email": "ada@acme.example"});
    let back = gateway.enter(again, &[role("admin")]).await.unwrap();
    assert_eq!(back.outcome, Outcome::Revived);
    scim.created("/Users", &body).await;
    let listed = gateway.listed(back.member).await;
    assert_eq!(listed.status, Status::Active, "the same person is in");
    assert!(listed.roles.is_empty(), "with nothing that nobody proved");
    gateway.check().await;
}

#[tokio::test]
async fn what_a_removed_member_was_called_is_free_again() {
    let gateway = Gateway::new().await;
    let ada = json!({"email": "ada@acme.example", "user_id": "E17"});
    let ada = gateway.enter(ada, &[]).await.unwrap();
    gateway.remove(ada.member).await.unwrap();
    let bob = json!({"email": "bob@acme.example", "user_id": "e17"});
    gateway.enter(bob, &[]).await.unwrap();
    let back = gateway
        .enter(json!({"email": "ada@acme.example"}), &[])
        .await
        .unwrap();
    assert_eq!((back.member, back.outcome), (ada.member, Outcome::Revived));
    gateway.check().await;
}

// One person is one member, however often it leaves and comes back.
#[tokio::test]
async fn who_leaves_comes_back_by_an_admin_and_leaves_again_is_still_the_same() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = json!({
        "userName": "ada@acme.example", "externalId": "ada-1",
        "emails": [{"value": "ada@acme.example", "primary": true}],
    });
    let first = scim.created("/Users", &ada).await;
    let member = gateway.member("ada@acme.example").await.id;
    let (status, _) = scim.send("DELETE", &format!("/Users/{first}"), None).await;
    assert_eq!(status, 204);
    let expected = gateway.enter(json!({"email": "ada@acme.example"}), &[]);
    assert_eq!(expected.await.unwrap().member, member);
    let second = scim.created("/Users", &ada).await;
    let (status, _) = scim.send("DELETE", &format!("/Users/{second}"), None).await;
    assert_eq!(status, 204);
    scim.created("/Users", &ada).await;
    assert_eq!(gateway.member("ada@acme.example").await.id, member);
    assert_eq!(gateway.count("members").await, 1);
    gateway.check().await;
}
