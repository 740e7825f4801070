//! What servers do wrong, as seen in the field, and which cases find it.

mod answers;
mod groups;
mod optional;
mod searches;
mod users;

use gatehouse::directory::DirectoryKind;
use gatehouse::virtual_idp::selftest::{Profile, Verdict};
use serde_json::{Value, json};

use crate::proxy::{Call, Fault, Proxy, Reply};
use crate::service::Service;
use crate::{failures, run};

/// No fault of its own: what stays untouched in a fault.
const NONE: Fault = Fault {
    name: "none",
    profile: Profile::Rfc,
    found_by: &[],
    request: |_| None,
    answer: |_, _| {},
};

fn in_answers(
    name: &'static str,
    profile: Profile,
    found_by: &'static [&'static str],
    answer: fn(&Call, &mut Reply),
) -> Fault {
    Fault {
        name,
        profile,
        found_by,
        answer,
        ..NONE
    }
}

fn in_requests(
    name: &'static str,
    profile: Profile,
    found_by: &'static [&'static str],
    request: fn(&mut Call) -> Option<Reply>,
) -> Fault {
    Fault {
        name,
        profile,
        found_by,
        request,
        ..NONE
    }
}

/// The operations of a PATCH of that resource type; none of another request.
fn operations<'c>(call: &'c mut Call, endpoint: &str) -> Vec<&'c mut Value> {
    let is_meant = call.method == "PATCH" && call.path.starts_with(endpoint);
    let operations = call.body["Operations"].as_array_mut();
    let operations = operations.filter(|_| is_meant).into_iter().flatten();
    operations.collect()
}

/// Lets only those operations through that `keep` says; tells whether one was dropped.
fn retain(call: &mut Call, endpoint: &str, keep: fn(&Value) -> bool) -> bool {
    if call.method != "PATCH" || !call.path.starts_with(endpoint) {
        return false;
    }
    let Some(operations) = call.body["Operations"].as_array_mut() else {
        return false;
    };
    let before = operations.len();
    operations.retain(keep);
    operations.len() < before
}

fn is(operation: &Value, name: &str) -> bool {
    let op = operation["op"].as_str().unwrap_or_default();
    op.eq_ignore_ascii_case(name)
}

fn is_at_members(operation: &Value) -> bool {
    operation["path"]
        .as_str()
        .is_some_and(|path| path.starts_with("members"))
}

/// An error of the server's own making.
fn error(status: u16, kind: &str) -> Reply {
    let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
    let status_text = status.to_string();
    let body =
        json!({"schemas": [schema], "status": status_text, "scimType": kind, "detail": "no"});
    Reply::of(status, body)
}

/// Shows only those resources of a list that `keep` says.
fn show_only(reply: &mut Reply, keep: impl Fn(&Value) -> bool) {
    let Some(resources) = reply.body["Resources"].as_array_mut() else {
        return;
    };
    let before = resources.len();
    resources.retain(keep);
    let hidden = before - resources.len();
    if hidden > 0 {
        let total = reply.body["totalResults"].as_u64().unwrap();
        reply.body["totalResults"] = json!(total - hidden as u64);
        reply.body["itemsPerPage"] = json!(before - hidden);
    }
}

fn is_list(reply: &Reply) -> bool {
    reply.body["Resources"].is_array()
}

/// A query without the parameters whose names `drop` says.
fn without(query: &str, drop: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.starts_with(drop));
    kept.collect::<Vec<_>>().join("&")
}

fn faults() -> Vec<Fault> {
    let mut all = groups::faults();
    all.extend(users::faults());
    all.extend(searches::faults());
    all.extend(answers::faults());
    all.extend(optional::faults());
    all
}

fn kind(profile: Profile) -> DirectoryKind {
    match profile {
        Profile::Rfc => DirectoryKind::Generic,
        Profile::Entra => DirectoryKind::Entra,
        Profile::Okta => DirectoryKind::Okta,
    }
}

/// Every fault of a profile is found by each case that is said to find it, and without a fault the
/// proxy is not noticed.
async fn each_is_found(profile: Profile) {
    let service = Service::new(kind(profile)).await;
    let proxy = Proxy::new(&service.base_url, NONE).await;
    let report = run(&proxy.base_url, &service.token, profile, &[]).await;
    assert_eq!(failures(&report), Vec::<String>::new());
    // Some faults show after a hundred users only.
    service.fill(101).await;
    let mut missed = Vec::new();
    for fault in faults().iter().filter(|fault| fault.profile == profile) {
        let sound = run(&service.base_url, &service.token, profile, fault.found_by).await;
        let proxy = Proxy::new(&service.base_url, *fault).await;
        let report = run(&proxy.base_url, &service.token, profile, fault.found_by).await;
        assert_eq!(report.cases.len(), fault.found_by.len());
        for (case, sound) in report.cases.iter().zip(&sound.cases) {
            if case.verdict != Verdict::Failed || sound.verdict != Verdict::Passed {
                let reason = case.reason.clone().unwrap_or_default();
                missed.push(format!(
                    "{}: {} is {:?} {reason}, without the fault {:?}",
                    fault.name, case.id, case.verdict, sound.verdict
                ));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test]
async fn each_fault_is_found_as_the_rfcs_have_it() {
    each_is_found(Profile::Rfc).await;
}

#[tokio::test]
async fn each_fault_is_found_as_entra_wants_it() {
    each_is_found(Profile::Entra).await;
}

#[tokio::test]
async fn each_fault_is_found_as_okta_wants_it() {
    each_is_found(Profile::Okta).await;
}
