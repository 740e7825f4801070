//! Searches (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865).

use serde_json::{Value, json};

use super::cases;
use crate::virtual_idp::selftest::reply::{Checked, List, ensure, failed, skipped};
use crate::virtual_idp::selftest::resources::{Made, eq};
use crate::virtual_idp::selftest::session::Session;

/// Three users who differ in title, and a filter that finds them all.
async fn three(s: &Session) -> Checked<(Vec<Made>, String)> {
    let mark = s.unique();
    let mut users = Vec::new();
    for title in ["Alpha", "Beta", "Gamma"] {
        let name = format!("{mark}-{}@selftest.example", title.to_lowercase());
        let more = json!({"userName": name, "title": title, "displayName": mark});
        users.push(s.user(more).await?);
    }
    Ok((users, eq("displayName", &mark)))
}

/// A filter finds exactly these.
async fn finds(s: &Session, filter: &str, expected: &[&Made]) -> Checked {
    let list = s.users(filter).await?;
    is_exactly(&list, filter, expected)
}

fn is_exactly(list: &List, what: &str, expected: &[&Made]) -> Checked {
    let mut found = list.ids();
    let mut wanted: Vec<_> = expected.iter().map(|user| user.id.clone()).collect();
    found.sort();
    wanted.sort();
    if found == wanted {
        return Ok(());
    }
    let (wanted, found) = (wanted.len(), found.len());
    list.reply.fail(format!(
        "expected the {wanted} users that {what} means, found {found}"
    ))
}

/// The titles in the order of a sorted search.
async fn sorted(s: &Session, filter: &str, order: &str) -> Checked<Vec<String>> {
    s.needs("sort")?;
    let path = format!("/Users?filter={}&{order}", s.encoded(filter));
    let list = s.get(path).await?.list()?;
    let titles = list
        .resources
        .iter()
        .map(|user| user["title"].as_str().unwrap_or_default());
    Ok(titles.map(str::to_owned).collect())
}

/// Posts a search; skips the case where searches are not offered.
async fn search(s: &Session, path: &str, body: Value) -> Checked<List> {
    let reply = s.post(path, body).await?;
    if [404, 405, 501].contains(&reply.status) {
        return skipped(format!("{path} is not offered: {}", reply.status));
    }
    reply.list()
}

/// The body of a search.
fn searching(filter: &str, more: Value) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// Skips the case unless pages by cursor are offered.
fn needs_cursors(s: &Session) -> Checked {
    match s.offers("/pagination/cursor") {
        Some(true) => Ok(()),
        _ => skipped("ServiceProviderConfig does not offer pagination by cursor"),
    }
}

cases! {
    "7644-3.4.2.2a" [Rfc] "eq and ne compare a text" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} and title eq \"Beta\""), &[&u[1]]).await?;
        finds(s, &format!("{own} and title ne \"Beta\""), &[&u[0], &u[2]]).await?;
    }
    "7644-3.4.2.2b" [Rfc] "co, sw and ew look into a text" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} and title co \"et\""), &[&u[1]]).await?;
        finds(s, &format!("{own} and title sw \"Al\""), &[&u[0]]).await?;
        finds(s, &format!("{own} and title ew \"ma\""), &[&u[2]]).await?;
    }
    "7644-3.4.2.2c" [Rfc] "gt, ge, lt and le order texts" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} and title gt \"Beta\""), &[&u[2]]).await?;
        finds(s, &format!("{own} and title ge \"Beta\""), &[&u[1], &u[2]]).await?;
        finds(s, &format!("{own} and title lt \"Beta\""), &[&u[0]]).await?;
        finds(s, &format!("{own} and title le \"Beta\""), &[&u[0], &u[1]]).await?;
    }
    "7644-3.4.2.2d" [Rfc] "gt and lt order instants" |s| {
        let (u, own) = three(s).await?;
        let all = [&u[0], &u[1], &u[2]];
        finds(s, &format!("{own} and meta.created gt \"2001-01-01T00:00:00Z\""), &all).await?;
        finds(s, &format!("{own} and meta.created lt \"2001-01-01T00:00:00Z\""), &[]).await?;
    }
    "7644-3.4.2.2e" [Rfc] "pr finds what has a value" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} and title pr"), &[&u[0], &u[1], &u[2]]).await?;
        finds(s, &format!("{own} and nickName pr"), &[]).await?;
    }
    "7644-3.4.2.2f" [Rfc] "not and brackets turn a term round" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} and not (title eq \"Beta\")"), &[&u[0], &u[2]]).await?;
    }
    "7644-3.4.2.2g" [Rfc] "and binds more tightly than or" |s| {
        let (u, own) = three(s).await?;
        let loose = format!("{own} and title eq \"Alpha\" or {own} and title eq \"Beta\"");
        finds(s, &loose, &[&u[0], &u[1]]).await?;
        let tight = format!("{own} and (title eq \"Alpha\" or title eq \"Gamma\")");
        finds(s, &tight, &[&u[0], &u[2]]).await?;
    }
    "7644-3.4.2.2h" [Rfc] "operators and names are read in any letter case" |s| {
        let (u, own) = three(s).await?;
        finds(s, &format!("{own} AND TITLE Eq \"Beta\""), &[&u[1]]).await?;
    }
    "7644-3.4.2.2i" [Rfc] "a value path wants one entry that meets all its terms" |s| {
        let user = s.user(json!({"emails": [
            {"type": "work", "value": "w@selftest.example"},
            {"type": "home", "value": "h@selftest.example"},
        ]})).await?;
        let own = eq("id", &user.id);
        let entry = |kind: &str, value: &str| {
            format!("{own} and emails[type eq \"{kind}\" and value sw \"{value}\"]")
        };
        finds(s, &entry("work", "w@"), &[&user]).await?;
        finds(s, &entry("work", "h@"), &[]).await?;
    }
    "7644-3.4.2.2j" [Rfc] "a name may have its schema before it" |s| {
        let (u, own) = three(s).await?;
        let name = format!("{}:title", super::USER);
        finds(s, &format!("{own} and {name} eq \"Gamma\""), &[&u[2]]).await?;
    }
    "7644-3.4.2.2k" [Rfc] "a boolean is compared with true and false" |s| {
        let (u, own) = three(s).await?;
        let operation = json!([{"op": "replace", "path": "active", "value": false}]);
        s.patch(&u[0], operation).await?;
        finds(s, &format!("{own} and active eq true"), &[&u[1], &u[2]]).await?;
        finds(s, &format!("{own} and active eq false"), &[&u[0]]).await?;
    }
    "7644-3.4.2.3a" [Rfc] "a search is sorted, upwards unless told otherwise" |s| {
        let (_, own) = three(s).await?;
        for order in ["sortBy=title", "sortBy=title&sortOrder=ascending"] {
            let titles = sorted(s, &own, order).await?;
            ensure(titles == ["Alpha", "Beta", "Gamma"], format!("{order} gave {titles:?}"))?;
        }
    }
    "7644-3.4.2.3b" [Rfc] "a search is sorted downwards" |s| {
        let (_, own) = three(s).await?;
        let titles = sorted(s, &own, "sortBy=title&sortOrder=descending").await?;
        ensure(titles == ["Gamma", "Beta", "Alpha"], format!("found {titles:?}"))?;
    }
    "7644-3.4.2.3c" [Rfc] "what has no value comes last in a sorted search" |s| {
        let (u, own) = three(s).await?;
        s.patch(&u[0], json!([{"op": "remove", "path": "title"}])).await?;
        let titles = sorted(s, &own, "sortBy=title").await?;
        ensure(titles == ["Beta", "Gamma", ""], format!("found {titles:?}"))?;
    }
    "7644-3.4.2.4a" [Rfc] "a filtered search is paged and tells the whole total" |s| {
        let (users, own) = three(s).await?;
        let mut seen = Vec::new();
        for start in [1, 3] {
            let path = format!("/Users?filter={}&startIndex={start}&count=2", s.encoded(&own));
            let list = s.get(path).await?.list()?;
            ensure(list.total == 3, format!("expected a total of 3, found {}", list.total))?;
            seen.extend(list.ids());
        }
        let mut expected: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
        seen.sort();
        expected.sort();
        ensure(seen == expected, "expected every user once on the two pages")?;
    }
    "7644-3.4.2.4b" [Rfc] "a negative count is zero" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?count=-1").await?.list()?;
        ensure(list.resources.is_empty() && list.total > 0, "expected the total alone")?;
    }
    "7644-3.4.2.4c" [Rfc] "a page has no more resources than were asked for" |s| {
        s.user(json!({})).await?;
        s.user(json!({})).await?;
        let list = s.get("/Users?count=1").await?.list()?;
        ensure(list.resources.len() == 1, "expected one resource")?;
        ensure(list.total > 1, "expected a total of more than one")?;
    }
    "7644-3.4.3a" [Rfc] "a search is posted to a resource type" |s| {
        let (u, own) = three(s).await?;
        let body = searching(&own, json!({"startIndex": 1, "count": 10}));
        let list = search(s, "/Users/.search", body).await?;
        is_exactly(&list, &own, &[&u[0], &u[1], &u[2]])?;
    }
    "7644-3.4.3b" [Rfc] "a search is posted to the whole service" |s| {
        let (u, own) = three(s).await?;
        let list = search(s, "/.search", searching(&own, json!({"count": 10}))).await?;
        is_exactly(&list, &own, &[&u[0], &u[1], &u[2]])?;
    }
    "7644-3.4.3c" [Rfc] "a posted search shows the attributes that it names" |s| {
        let (_, own) = three(s).await?;
        let body = searching(&own, json!({"attributes": ["title"], "count": 1}));
        let list = search(s, "/Users/.search", body).await?;
        ensure(list.resources.len() == 1, "expected one user")?;
        let user = &list.resources[0];
        ensure(user["title"].is_string(), "expected the title")?;
        ensure(user.get("userName").is_none(), "expected no userName")?;
    }
    "9865-2a" [Rfc] "cursors lead over every resource once" |s| {
        needs_cursors(s)?;
        let (u, own) = three(s).await?;
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        for _ in 0..4 {
            let path = format!("/Users?filter={}&count=1&cursor={cursor}", s.encoded(&own));
            let list = s.get(path).await?.list()?;
            seen.extend(list.ids());
            match list.reply.body["nextCursor"].as_str() {
                Some(next) => cursor = s.encoded(next),
                None => break,
            }
        }
        let mut expected: Vec<_> = u.iter().map(|user| user.id.clone()).collect();
        seen.sort();
        expected.sort();
        ensure(seen == expected, format!("expected 3 users, each once, found {}", seen.len()))?;
    }
    "9865-2b" [Rfc] "a cursor that was never given is a 400 of type invalidCursor" |s| {
        needs_cursors(s)?;
        let reply = s.get("/Users?count=1&cursor=selftest-never-given").await?;
        if reply.status == 200 {
            return failed("expected an unknown cursor to be refused");
        }
        reply.refused(&[400])?.of_type("invalidCursor")?;
    }
}
