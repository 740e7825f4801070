//! Rule templates: the roles that Okta and Entra send give rights by an admin's act alone.

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::admission::templates::{self, Mapped, Template};
use gatehouse::changes::Origin;
use gatehouse::error::{Error, Result};
use gatehouse::workspace::{members, roles};
use serde_json::json;

use crate::gateway::{Gateway, operations, users};

impl Gateway {
    /// Maps roles by a template.
    pub(crate) async fn template(&self, template: Template, roles: &[&str]) -> Result<Vec<Mapped>> {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        let of = (template, "idp");
        templates::add(&self.app, &Origin::cli(), &self.workspace, of, &roles).await
    }

    /// The roles of the member of that user name.
    pub(crate) async fn roles_of(&self, user_name: &str) -> Vec<String> {
        let page = members::list(&self.app, self.workspace.id, None, 500).await;
        let mut page = page.unwrap().into_iter();
        let member = page.find(|member| member.user_name.as_deref() == Some(user_name));
        member.unwrap().roles.into_iter().collect()
    }
}

// C025
#[tokio::test]
async fn roles_of_okta_give_rights_by_the_template_alone() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    named_roles(&gateway, &["agent", "auditor"]).await;
    let all = roles::list(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    let names: Vec<_> = all.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["admin", "user", "agent", "auditor"]);
    let sent = |names: &[&str]| {
        let sent = all
            .iter()
            .filter(|role| names.contains(&role.name.as_str()));
        let sent = sent.map(|role| json!({"value": role.id, "display": role.name}));
        sent.collect::<Vec<_>>()
    };
    let body = json!({"userName": "ada@acme.example", "roles": sent(&["admin", "agent"])});
    let ada = scim.created("/Users", &body).await;
    let by_name = json!({"userName": "eve@acme.example", "roles": [{"value": "agent"}]});
    let eve = scim.created("/Users", &by_name).await;
    assert!(gateway.roles_of("ada@acme.example").await.is_empty());
    let mapped = gateway.template(Template::OktaRoles, &[]).await.unwrap();
    let given: Vec<_> = mapped.iter().map(|rule| rule.role.as_str()).collect();
    assert_eq!(
        given,
        ["user", "agent", "auditor"],
        "a directory makes no admins"
    );
    assert!(mapped.iter().all(|rule| rule.added));
    assert_eq!(gateway.roles_of("ada@acme.example").await, ["agent"]);
    assert!(gateway.roles_of("eve@acme.example").await.is_empty());
    let roles = json!([{"op": "replace", "value": {"roles": sent(&["admin", "auditor"])}}]);
    scim.patch(&ada, roles).await;
    assert_eq!(gateway.roles_of("ada@acme.example").await, ["auditor"]);
    let mapped = gateway
        .template(Template::OktaRoles, &["ADMIN", "agent"])
        .await;
    let added: Vec<_> = mapped
        .unwrap()
        .into_iter()
        .map(|rule| (rule.role, rule.added))
        .collect();
    assert_eq!(
        added,
        [("admin".to_owned(), true), ("agent".to_owned(), false)]
    );
    assert_eq!(
        gateway.roles_of("ada@acme.example").await,
        ["admin", "auditor"]
    );
    // C073: a request that is about the last admin alone.
    let none = operations(json!([{"op": "remove", "path": "roles"}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Users/{ada}"), Some(&none))
            .await
            .0,
        409
    );
    let roles = json!([{"op": "replace", "value": {"roles": sent(&["admin"])}}]);
    scim.patch(&eve, roles).await;
    scim.patch(&ada, json!([{"op": "remove", "path": "roles"}]))
        .await;
    assert!(gateway.roles_of("ada@acme.example").await.is_empty());
    gateway.check().await;
}

#[tokio::test]
async fn a_template_adds_only_what_is_missing() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let is_added = |mapped: Vec<Mapped>| {
        mapped
            .into_iter()
            .map(|rule| rule.added)
            .collect::<Vec<_>>()
    };
    let (one, other) = tokio::join!(
        gateway.template(Template::OktaRoles, &[]),
        gateway.template(Template::OktaRoles, &[])
    );
    let mut both = [is_added(one.unwrap()), is_added(other.unwrap())];
    both.sort();
    assert_eq!(both, [[false], [true]]);
    named_roles(&gateway, &["agent"]).await;
    let again = gateway.template(Template::OktaRoles, &[]).await.unwrap();
    assert_eq!(is_added(again), [false, true]);
    // Another template is another set of rules.
    let entra = gateway
        .template(Template::EntraRoles, &["agent"])
        .await
        .unwrap();
    assert_eq!(entra[0].when, "roles.value eq \"agent\"");
    assert!(entra[0].added);
    let unknown = gateway
        .template(Template::EntraRoles, &["agent", "nobody"])
        .await;
    assert!(matches!(unknown, Err(Error::NotFound("role"))));
    assert_eq!(
        gateway.count("rules").await,
        4,
        "three of templates, one beside"
    );
}

#[tokio::test]
async fn roles_of_entra_go_by_name() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    named_roles(&gateway, &["Editor", "a \"quoted\" one"]).await;
    gateway.template(Template::EntraRoles, &[]).await.unwrap();
    let mara = users(&scim, "mara", 1).await.remove(0);
    let name = "mara0@acme.example";
    let single = |value: &str| {
        json!([
            {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Anything"},
            {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": value},
        ])
    };
    scim.patch(&mara, single("editor")).await;
    assert_eq!(gateway.roles_of(name).await, ["Editor"]);
    scim.patch(&mara, single("a \"quoted\" one")).await;
    assert_eq!(gateway.roles_of(name).await, ["a \"quoted\" one"]);
    let assertive = json!([{"op": "replace", "path": "roles", "value": [
        {"display": "Admin", "value": "admin", "type": "WindowsAzureActiveDirectoryRole", "primary": false},
        {"displayName": "Editor", "value": "Editor", "type": "WindowsAzureActiveDirectoryRole", "primary": false},
    ]}]);
    scim.patch(&mara, assertive).await;
    assert_eq!(gateway.roles_of(name).await, ["Editor"]);
    gateway.check().await;
}

/// Roles come into being with a rule that gives them; the group of this one stays unheard of.
pub(crate) async fn named_roles(gateway: &Gateway, names: &[&str]) {
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Nobody's".to_owned()],
        roles: names.iter().map(|name| (*name).to_owned()).collect(),
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule)
        .await
        .unwrap();
}
