//! Fields of a member that follow its directory: phone, language, time zone and manager.

use gatehouse::ids::MemberId;
use gatehouse::scim::schema::ENTERPRISE_USER;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations};
use crate::members::{conflict, person};

impl Gateway {
    async fn manager_of(&self, member: MemberId) -> Option<MemberId> {
        self.details(member).await.manager
    }
}

async fn patch(scim: &Scim, user: &str, operation: Value) {
    let body = operations(json!([operation]));
    let path = format!("/Users/{user}");
    let (status, answer) = scim.send("PATCH", &path, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
}

fn reports_to(name: &str, manager: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER],
        "userName": name, "externalId": format!("X-{name}"),
        ENTERPRISE_USER: {"manager": {"value": manager}},
    })
}

#[tokio::test]
async fn what_a_directory_says_is_shown_and_what_it_takes_back_is_gone() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let body = json!({
        "userName": "ada@acme.example", "preferredLanguage": "en_gb,en;q=0.9",
        "timezone": "europe/london",
        "phoneNumbers": [
            {"value": "+1 202-555-0123", "type": "home"},
            {"value": "tel:+44-20-7946-0958", "type": "work"},
        ],
    });
    let user = scim.created("/Users", &body).await;
    let ada = gateway.member("ada@acme.example").await.id;
    let details = gateway.details(ada).await;
    assert_eq!(details.phone.as_deref(), Some("+442079460958"));
    assert_eq!(details.language.as_deref(), Some("en-GB"));
    assert_eq!(details.time_zone.as_deref(), Some("Europe/London"));
    for (field, value) in [
        ("phone", "+12025550123"),
        ("language", "de"),
        ("time_zone", "Europe/Vienna"),
    ] {
        let refused = gateway.edit(ada, json!({ field: value })).await;
        conflict(
            refused,
            &format!("{field} is kept by the directory \"idp\""),
        );
    }
    // What fits no field leaves it as it was, and the request log tells.
    patch(
        &scim,
        &user,
        json!({"op": "replace", "path": "timezone", "value": "Mars/Olympus"}),
    )
    .await;
    let zone = gateway.details(ada).await.time_zone;
    assert_eq!(zone.as_deref(), Some("Europe/London"));
    assert!(
        gateway
            .told("\"path\":\"timezone\",\"reason\":\"unfit\"")
            .await
    );
    for path in ["phoneNumbers", "preferredLanguage", "timezone"] {
        patch(&scim, &user, json!({"op": "remove", "path": path})).await;
    }
    let details = gateway.details(ada).await;
    assert_eq!(
        (details.phone, details.language, details.time_zone),
        (None, None, None)
    );
    // From here on they are the admins', until the directory speaks of them again.
    let own = json!({"phone": "+43 1 58804 0", "language": "de"});
    gateway.edit(ada, own).await.unwrap();
    patch(
        &scim,
        &user,
        json!({"op": "replace", "path": "title", "value": "Countess"}),
    )
    .await;
    let language = gateway.details(ada).await.language;
    assert_eq!(language.as_deref(), Some("de"), "a word on something else");
    let german = json!({"op": "replace", "path": "preferredLanguage", "value": "fr"});
    patch(&scim, &user, german).await;
    let details = gateway.details(ada).await;
    assert_eq!(details.language.as_deref(), Some("fr"));
    assert!(details.phone.is_some(), "the admins' still");
    conflict(
        gateway.edit(ada, json!({"language": "de"})).await,
        "language",
    );
    gateway.check().await;
}

#[tokio::test]
async fn a_manager_is_found_by_any_name_also_when_it_comes_later() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (boss_user, boss) = person(&gateway, &scim, "boss").await;
    let mut reports = Vec::new();
    for (name, manager) in [
        ("a", boss_user.as_str()),
        ("b", "BOSS@acme.example"),
        ("c", "late@acme.example"),
        ("d", "X-Late@acme.example"),
        ("e", "nobody"),
    ] {
        let user = scim.created("/Users", &reports_to(name, manager)).await;
        reports.push((user, gateway.member(name).await.id));
    }
    let manager = async |at: usize| gateway.manager_of(reports[at].1).await;
    assert_eq!(
        (manager(0).await, manager(1).await),
        (Some(boss), Some(boss))
    );
    assert_eq!((manager(2).await, manager(3).await), (None, None));
    scim.created("/Users", &reports_to("Late@acme.example", &boss_user))
        .await;
    let late = gateway.member("late@acme.example").await.id;
    assert_eq!(
        (manager(2).await, manager(3).await),
        (Some(late), Some(late))
    );
    assert_eq!(manager(4).await, None);
    conflict(
        gateway.edit(reports[0].1, json!({"manager": late})).await,
        "manager is kept",
    );
    // A circle is left out, and told.
    let path = format!("{ENTERPRISE_USER}:manager.value");
    let circle = json!({"op": "add", "path": path, "value": reports[2].0});
    patch(&scim, &boss_user, circle).await;
    assert_eq!(gateway.manager_of(boss).await, None);
    assert!(gateway.told("\"reason\":\"circle\"").await);
    // Taken away by the directory, and then another one.
    let path = format!("{ENTERPRISE_USER}:manager");
    patch(&scim, &reports[0].0, json!({"op": "remove", "path": path})).await;
    assert_eq!(manager(0).await, None);
    gateway
        .edit(reports[0].1, json!({"manager": late}))
        .await
        .unwrap();
    let path = format!("{ENTERPRISE_USER}:manager.value");
    let moved = json!({"op": "replace", "path": path, "value": boss_user});
    patch(&scim, &reports[2].0, moved).await;
    assert_eq!(manager(2).await, Some(boss));
    let waiting = "users WHERE manager_key IS NOT NULL";
    assert_eq!(
        gateway.count(waiting).await,
        2,
        "whom nobody can be found for, and who would close a circle"
    );
    gateway.check().await;
}

#[tokio::test]
async fn two_whom_the_directory_turns_round_end_as_it_says_in_whatever_order() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (one_user, one) = person(&gateway, &scim, "one").await;
    let (other_user, other) = person(&gateway, &scim, "other").await;
    let (_, boss) = person(&gateway, &scim, "boss").await;
    let manager = format!("{ENTERPRISE_USER}:manager");
    let value = format!("{manager}.value");
    let says = |who: &str| json!({"op": "replace", "path": value, "value": who});
    patch(&scim, &one_user, says(&other_user)).await;
    patch(&scim, &other_user, says(&one_user)).await;
    gateway.work().await;
    assert_eq!(gateway.manager_of(one).await, Some(other));
    assert_eq!(gateway.manager_of(other).await, None);
    let before = gateway.count("changes").await;
    gateway.work().await;
    assert_eq!(
        gateway.count("changes").await,
        before,
        "nothing is told again"
    );
    // The field is the directory's all the while.
    let wanted = gateway.edit(other, json!({"manager": boss})).await;
    conflict(wanted, "manager is kept");
    patch(&scim, &one_user, json!({"op": "remove", "path": manager})).await;
    gateway.work().await;
    assert_eq!(gateway.manager_of(one).await, None);
    assert_eq!(gateway.manager_of(other).await, Some(one));
    let wanted = gateway.edit(other, json!({"manager": boss})).await;
    conflict(wanted, "manager is kept");
    assert_eq!(
        gateway.count("users WHERE manager_key IS NOT NULL").await,
        0
    );
    gateway.check().await;
}

#[tokio::test]
async fn a_manager_and_a_report_that_missed_each_other_are_linked_by_the_next_round() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let late = "X-Late@acme.example";
    scim.created("/Users", &reports_to("ada", late)).await;
    let ada = gateway.member("ada").await.id;
    // What two transactions leave that did not see each other: the one who waits was not there for the
    // manager's create, which is there now.
    let waits = async |key: Option<&str>| {
        let key = key.map(str::to_owned);
        gateway
            .app
            .write(move |tx| {
                let key = key.clone();
                Box::pin(async move {
                    let sql = "UPDATE users SET manager_key = $1 WHERE user_name_key = $2";
                    let query = tx.query(sql).bind(key).bind("ada".to_owned());
                    Ok(query.execute().await?)
                })
            })
            .await
            .unwrap()
    };
    assert_eq!(waits(None).await, 1);
    scim.created("/Users", &reports_to("Late@acme.example", "nobody"))
        .await;
    assert_eq!(waits(Some("x-late@acme.example")).await, 1);
    assert_eq!(gateway.manager_of(ada).await, None);
    gateway.work().await;
    let boss = gateway.member("late@acme.example").await.id;
    assert_eq!(gateway.manager_of(ada).await, Some(boss));
    let waiting = "users WHERE manager_key IS NOT NULL";
    assert_eq!(gateway.count(waiting).await, 1, "the one for nobody");
    gateway.check().await;
}

#[tokio::test]
async fn managers_and_reports_that_are_made_at_once_are_all_linked() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for pair in 0..12 {
        let boss = format!("boss{pair}");
        let report = reports_to(&format!("report{pair}"), &boss);
        let boss = reports_to(&boss, "nobody");
        tokio::join!(
            scim.created("/Users", &report),
            scim.created("/Users", &boss)
        );
    }
    gateway.work().await;
    for pair in 0..12 {
        let boss = gateway.member(&format!("boss{pair}")).await.id;
        let report = gateway.member(&format!("report{pair}")).await.id;
        assert_eq!(gateway.manager_of(report).await, Some(boss), "{pair}");
    }
}

#[tokio::test]
async fn a_create_that_says_nothing_of_them_costs_no_statement_more() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let create = async |body: Value| {
        let bearer = format!("Bearer {}", scim.token);
        let made = gateway
            .call("POST", "/scim/v2/Users", &[&bearer], Some(body))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.statements
    };
    create(json!({"userName": "warm"})).await;
    let plain = create(json!({"userName": "plain"})).await;
    let said = create(json!({"userName": "said", "timezone": "Europe/Vienna"})).await;
    assert!(plain <= 10, "{plain} statements");
    assert!(said > plain, "{said} and {plain} statements");
}
