//! What admins do to members, and what a directory does to the same members at the same time.

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
use gatehouse::workspace::{edit, status};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations};

fn fields(value: Value) -> Edit {
    serde_json::from_value(value).unwrap()
}

fn role(name: &str) -> Right {
    Right {
        kind: GrantKind::Role,
        name: name.to_owned(),
    }
}

impl Gateway {
    async fn enter(&self, value: Value, rights: &[Right]) -> Result<Entered> {
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

    async fn edit(&self, member: MemberId, value: Value) -> Result<()> {
        let which = (self.workspace.id, member);
        edit::edit(
            &self.app,
            &Origin::cli(),
            which,
            Precondition::default(),
            fields(value),
        )
        .await
    }

    async fn give(&self, member: MemberId, right: Right) -> Result<usize> {
        let which = (self.workspace.id, member);
        manual::give(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            vec![right],
        )
        .await
    }

    async fn take(&self, member: MemberId, right: Right) -> Result<()> {
        let which = (self.workspace.id, member);
        manual::take(
            &self.app,
            (&Origin::cli(), &Scopes::everything()),
            which,
            right,
        )
        .await
    }

    async fn suspend(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::suspend(&self.app, &Origin::cli(), which).await
    }

    async fn activate(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::activate(&self.app, &Origin::cli(), which).await
    }

    async fn remove(&self, member: MemberId) -> Result<()> {
        let which = (self.workspace.id, member);
        status::remove(&self.app, &Origin::cli(), which, Precondition::default()).await
    }

    async fn member(&self, name: &str) -> Member {
        let found = members::find(&self.app, self.workspace.id, name).await;
        found.unwrap()
    }

    async fn listed(&self, id: MemberId) -> Listed {
        let all = members::list(&self.app, self.workspace.id, None, 500).await;
        let mut all = all.unwrap().into_iter();
        all.find(|member| member.id == id).unwrap()
    }

    async fn details(&self, id: MemberId) -> details::Details {
        let mut tx = self.app.db.one().await.unwrap();
        let found = details::list(&mut tx, self.workspace.id, &[id]).await;
        found.unwrap().pop().unwrap().details
    }
}

/// A user and its member.
async fn person(gateway: &Gateway, scim: &Scim, name: &str) -> (String, MemberId) {
    let address = format!("{name}@acme.example");
    let body = json!({"userName": address, "emails": [{"value": address}]});
    let user = scim.created("/Users", &body).await;
    (user, gateway.member(&address).await.id)
}

fn conflict<T: std::fmt::Debug>(outcome: Result<T>, says: &str) {
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
    // Once the directory says it, it is the directory's.
    let name = operations(json!([{"op": "add", "path": "name.givenName", "value": "Augusta"}]));
    assert_eq!(scim.send("PATCH", &path, Some(&name)).await.0, 200);
    let member = gateway.member("ada@acme.example").await;
    assert_eq!(member.given_name.as_deref(), Some("Augusta"));
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

// C073, C027
#[tokio::test]
async fn the_last_admin_stays_one_whatever_is_aimed_at_that_person() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    gateway.give(ada, role("admin")).await.unwrap();
    let epoch = gateway.epoch("ada@acme.example").await;
    let last = "last admin";
    conflict(gateway.suspend(ada).await, last);
    conflict(gateway.take(ada, role("admin")).await, last);
    let path = format!("/Users/{user}");
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let put = json!({"userName": "ada@acme.example", "active": false});
    for (method, body) in [("PATCH", Some(&off)), ("PUT", Some(&put)), ("DELETE", None)] {
        let (status, refused) = scim.send(method, &path, body).await;
        assert_eq!(status, 409, "{method}: {refused}");
        assert!(
            refused["detail"].as_str().unwrap().contains(last),
            "{refused}"
        );
    }
    assert_eq!(scim.send("GET", &path, None).await.1["active"], json!(true));
    assert_eq!(
        gateway.epoch("ada@acme.example").await,
        epoch,
        "nothing has happened"
    );
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    // With another one, it may be.
    let (_, bob) = person(&gateway, &scim, "bob").await;
    gateway.give(bob, role("admin")).await.unwrap();
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    conflict(gateway.suspend(bob).await, last);
    gateway.check().await;
}

// C073, C027: of a change that concerns others as well
#[tokio::test]
async fn of_a_wider_change_the_last_admins_grant_alone_is_kept() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Admins"], "Leads").await;
    let rule = gatehouse::admission::rules::NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..Default::default()
    };
    let (app, workspace) = (&gateway.app, &gateway.workspace);
    gatehouse::admission::rules::add(app, &Origin::cli(), workspace, rule)
        .await
        .unwrap();
    let (one, ada) = person(&gateway, &scim, "ada").await;
    let (two, bob) = person(&gateway, &scim, "bob").await;
    let both = json!({"displayName": "Admins", "members": [member(&one), member(&two)]});
    let admins = scim.created("/Groups", &both).await;
    let path = format!("/Groups/{admins}");
    let is_admin = async |id| gateway.listed(id).await.roles.contains("admin");
    let count = async || usize::from(is_admin(ada).await) + usize::from(is_admin(bob).await);
    assert_eq!(count().await, 2);
    // Everybody is taken out of the group: one stays.
    let none = operations(json!([{"op": "replace", "path": "members", "value": []}]));
    assert_eq!(scim.send("PATCH", &path, Some(&none)).await.0, 200);
    assert_eq!(count().await, 1);
    assert_eq!(gateway.in_team("Leads").await, 0, "the rest applies");
    gateway.check().await;
    // It is kept over whatever settles it again.
    let back = operations(json!([{"op": "add", "path": "members", "value": [member(&one)]}]));
    assert_eq!(scim.send("PATCH", &path, Some(&back)).await.0, 200);
    assert!(is_admin(ada).await);
    // The group goes away, and the rule with it.
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.work().await;
    assert!(count().await >= 1);
    assert_eq!(gateway.in_team("Leads").await, 0);
    // Who gets another admin loses what was kept, the next time that somebody looks.
    let (_, eve) = person(&gateway, &scim, "eve").await;
    gateway.give(eve, role("admin")).await.unwrap();
    scim.created("/Groups", &both).await;
    let groups = scim
        .send(
            "GET",
            "/Groups?filter=displayName%20eq%20%22Admins%22",
            None,
        )
        .await
        .1;
    let path = format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap());
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    gateway.check().await;
}

// C074
#[tokio::test]
async fn of_admins_who_remove_each_other_one_is_left() {
    let gateway = Gateway::new().await;
    let mut admins = Vec::new();
    let scim = gateway.scim().await;
    for name in ["a", "b", "c"] {
        let (_, id) = person(&gateway, &scim, name).await;
        admins.push(id);
    }
    for trial in 0..60 {
        for id in &admins {
            gateway.activate(*id).await.unwrap();
            gateway.give(*id, role("admin")).await.unwrap();
        }
        let act = async |id: MemberId| {
            if trial % 2 == 0 {
                gateway.suspend(id).await
            } else {
                gateway.take(id, role("admin")).await
            }
        };
        let outcomes = tokio::join!(act(admins[0]), act(admins[1]), act(admins[2]));
        let refused = [outcomes.0, outcomes.1, outcomes.2]
            .into_iter()
            .filter(|outcome| matches!(outcome, Err(Error::Conflict(_))));
        assert_eq!(refused.count(), 1);
        let mut left = 0;
        for id in &admins {
            left += usize::from(gateway.listed(*id).await.roles.contains("admin"));
        }
        assert_eq!(left, 1);
    }
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
    gateway.check().await;
}

#[tokio::test]
async fn a_protected_admin_is_taken_away_by_nobody() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, ada) = person(&gateway, &scim, "ada").await;
    let (_, bob) = person(&gateway, &scim, "bob").await;
    for id in [ada, bob] {
        gateway.give(id, role("admin")).await.unwrap();
    }
    let which = (gateway.workspace.id, ada);
    let protect = async |on| status::protect(&gateway.app, &Origin::cli(), which, on).await;
    protect(true).await.unwrap();
    conflict(gateway.suspend(ada).await, "protected");
    conflict(gateway.take(ada, role("admin")).await, "protected");
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{user}");
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 409);
    assert_eq!(scim.send("DELETE", &path, None).await.0, 409);
    assert!(gateway.listed(ada).await.roles.contains("admin"));
    protect(false).await.unwrap();
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    gateway.check().await;
}
