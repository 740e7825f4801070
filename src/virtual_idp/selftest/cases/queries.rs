//! What must hold of paging, projection and filters (13-15 to 13-17), for every client.

use serde_json::{Value, json};

use super::{cases, lives};
use crate::virtual_idp::selftest::Profile;
use crate::virtual_idp::selftest::reply::{Checked, Stop, ensure, failed, skipped};
use crate::virtual_idp::selftest::resources::{ENTERPRISE, eq, unknown};
use crate::virtual_idp::selftest::session::Session;

/// How often pages are read again: others may write meanwhile.
const TRIES: usize = 3;

/// Two pages are the two halves of one page of both, and no resource is on them twice.
pub(super) async fn pages_agree(s: &Session, endpoint: &str, size: usize) -> Checked {
    let (second, both) = (size + 1, 2 * size);
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = halves_agree(s, endpoint, size, (second, both)).await;
        match last {
            Err(Stop::Failed(..)) => {}
            _ => return last,
        }
    }
    last
}

async fn halves_agree(
    s: &Session,
    endpoint: &str,
    size: usize,
    (second, both): (usize, usize),
) -> Checked {
    let page = async |start: usize, count: usize| {
        let path = format!("{endpoint}?startIndex={start}&count={count}");
        s.get(path).await?.list()
    };
    let whole = page(1, both).await?;
    let (first, next) = (page(1, size).await?, page(second, size).await?);
    for (list, start) in [(&first, 1), (&next, second)] {
        if list.resources.len() != size {
            let found = list.resources.len();
            return list
                .reply
                .fail(format!("expected {size} resources, found {found}"));
        }
        if list.reply.body["itemsPerPage"] != size || list.reply.body["startIndex"] != start {
            return list.reply.fail(format!(
                "expected startIndex {start} and itemsPerPage {size}"
            ));
        }
    }
    let ids: Vec<_> = first.ids().into_iter().chain(next.ids()).collect();
    if ids != whole.ids() {
        return next
            .reply
            .fail("expected the order of two pages to be that of one page of both");
    }
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    ensure(
        distinct.len() == ids.len(),
        "expected no resource on two pages",
    )
}

/// A user is found by this filter, and not by the same with another value.
async fn is_filtered(s: &Session, user: &super::super::resources::Made, filter: &str) -> Checked {
    s.users(filter).await?.only(&user.id).map(drop)
}

cases! {
    "13-15a" [Rfc Entra Okta] "the counters of a list are integers" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?startIndex=1&count=1").await?.list()?;
        let body = &list.reply.body;
        let all = ["totalResults", "itemsPerPage", "startIndex"];
        let is_number = all.iter().all(|counter| body[counter].is_u64());
        ensure(is_number, "expected totalResults, itemsPerPage and startIndex as integers")?;
    }
    "13-15b" [Rfc Entra Okta] "two pages have the order of one page of both" |s| {
        for _ in 0..4 {
            s.user(json!({})).await?;
        }
        pages_agree(s, "/Users", 2).await?;
    }
    "13-15c" [Rfc Entra Okta] "a startIndex below one is one" |s| {
        s.user(json!({})).await?;
        for start in ["0", "-1"] {
            let list = s.get(format!("/Users?startIndex={start}&count=1")).await?.list()?;
            ensure(list.reply.body["startIndex"] == 1, "expected startIndex 1")?;
            ensure(list.resources.len() == 1, "expected one resource")?;
        }
    }
    "13-15d" [Rfc Entra Okta] "a count of zero gives the total alone" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?count=0").await?.list()?;
        ensure(list.resources.is_empty(), "expected no resources")?;
        ensure(list.total > 0, "expected totalResults of at least one")?;
    }
    "13-15e" [Rfc Entra Okta] "itemsPerPage is the number of resources in the answer" |s| {
        let user = s.user(json!({})).await?;
        for list in [
            s.users(&eq("userName", &user.name)).await?,
            s.get("/Users?startIndex=1&count=100").await?.list()?,
        ] {
            let shown = list.resources.len();
            if list.reply.body["itemsPerPage"] != shown {
                let reply = list.reply;
                return reply.fail(format!("expected itemsPerPage {shown}"));
            }
        }
    }
    "13-15f" [Rfc Entra Okta] "the resource after the first hundred is reached" |s| {
        let total = s.get("/Users?count=0").await?.list()?.total;
        if total <= 100 {
            return skipped("the directory has no more than 100 users");
        }
        let list = s.get("/Users?startIndex=101&count=1").await?.list()?;
        ensure(list.resources.len() == 1, "expected one resource at startIndex 101")?;
        ensure(list.total > 100, format!("expected a total above 100, found {}", list.total))?;
    }
    "13-15g" [Rfc Entra Okta] "a page after the end is empty and tells the total" |s| {
        s.user(json!({})).await?;
        let list = s.get("/Users?startIndex=2000000000&count=10").await?.list()?;
        ensure(list.resources.is_empty(), "expected no resources")?;
        ensure(list.total > 0, "expected totalResults of at least one")?;
    }
    "13-16a" [Rfc Entra Okta] "excludedAttributes are left out of a user" |s| {
        let user = s.user(json!({"title": "Lead"})).await?;
        let reply = s.get(format!("{}?excludedAttributes=title,emails", user.path)).await?;
        let reply = reply.resource(&[200])?;
        reply.holds(&json!({"userName": user.name, "title": null, "emails": null}))?;
    }
    "13-16b" [Rfc Entra Okta] "attributes are all that is shown, besides the id" |s| {
        let user = s.user(json!({"title": "Lead"})).await?;
        let reply = s.get(format!("{}?attributes=userName,emails", user.path)).await?;
        let expected = json!({
            "userName": user.name, "emails": user.sent["emails"], "title": null,
            "displayName": null, "name": null, "active": null,
        });
        reply.resource(&[200])?.holds(&expected)?;
    }
    "13-16c" [Rfc Entra Okta] "an attribute's part can be asked for alone" |s| {
        let user = s.user(json!({})).await?;
        let reply = s.get(format!("{}?attributes=name.familyName", user.path)).await?;
        let family = &user.sent["name"]["familyName"];
        let expected = json!({"name": {"familyName": family, "givenName": null}, "userName": null});
        reply.resource(&[200])?.holds(&expected)?;
    }
    "13-16d" [Entra Okta] "a value path among the attributes is no error" |s| {
        let user = s.user(json!({})).await?;
        let path = s.encoded("emails[type eq \"work\"]");
        let reply = s.get(format!("{}?attributes={path}", user.path)).await?;
        reply.resource(&[200])?.holds(&json!({"emails": user.sent["emails"]}))?;
    }
    "13-16e" [Rfc Entra Okta] "members are excluded from a group and from a list of groups" |s| {
        let (group, _) = s.group_of(1).await?;
        let query = "excludedAttributes=members";
        let one = s.get(format!("{}?{query}", group.path)).await?.resource(&[200])?;
        ensure(one.body.get("members").is_none(), "expected no members")?;
        let list = s.get(format!("/Groups?{query}&startIndex=1&count=10")).await?.list()?;
        let is_bare = list.resources.iter().all(|group| group.get("members").is_none());
        ensure(is_bare, "expected no members in the list")?;
    }
    "13-16f" [Rfc Entra Okta] "a projection applies to a search" |s| {
        let user = s.user(json!({"title": "Lead"})).await?;
        s.may("filter")?;
        let filter = s.encoded(&eq("userName", &user.name));
        let found = s.get(format!("/Users?filter={filter}&attributes=title")).await?.list()?;
        let found = found.only(&user.id)?;
        ensure(found["title"] == "Lead", "expected the title")?;
        ensure(found.get("userName").is_none(), "expected no userName")?;
    }
    "13-17a" [Rfc Entra Okta] "a user is found by id" |s| {
        let user = s.user(json!({})).await?;
        is_filtered(s, &user, &eq("id", &user.id)).await?;
        s.users(&eq("id", &unknown())).await?.none()?;
    }
    "13-17b" [Rfc Entra Okta] "a user is found by userName in any letter case" |s| {
        let user = s.user(json!({})).await?;
        is_filtered(s, &user, &eq("userName", &user.name)).await?;
        is_filtered(s, &user, &eq("userName", &user.name.to_uppercase())).await?;
    }
    "13-17c" [Rfc Entra Okta] "a user is found by externalId" |s| {
        let id = unknown();
        let user = s.user(json!({"externalId": id})).await?;
        is_filtered(s, &user, &eq("externalId", &id)).await?;
    }
    "13-17d" [Rfc Entra Okta] "users and groups are found by displayName" |s| {
        let name = format!("{} Shown", s.unique());
        let user = s.user(json!({"displayName": name})).await?;
        is_filtered(s, &user, &eq("displayName", &name)).await?;
        lives::is_found(s, "/Groups", str::to_owned).await?;
    }
    "13-17e" [Rfc Entra Okta] "a user is found by emails, which means their value" |s| {
        let user = s.user(json!({})).await?;
        is_filtered(s, &user, &eq("emails", &user.name)).await?;
    }
    "13-17f" [Rfc Entra Okta] "a user is found by emails.value" |s| {
        let user = s.user(json!({})).await?;
        is_filtered(s, &user, &eq("emails.value", &user.name)).await?;
    }
    "13-17g" [Entra Okta] "a user is found by the value of the work address" |s| {
        let user = s.user(json!({})).await?;
        let value = Value::from(user.name.as_str());
        let term = |kind: &str| format!("emails[type eq \"{kind}\"].value eq {value}");
        is_filtered(s, &user, &term("work")).await?;
        s.users(&term("home")).await?.none()?;
    }
    "13-17h" [Rfc Entra Okta] "a group is found by its id and a member" |s| {
        let (group, users) = s.group_of(1).await?;
        let attribute = if s.profile == Profile::Rfc { "members.value" } else { "members" };
        let both = |id: &str| format!("{} and {}", eq("id", &group.id), eq(attribute, id));
        lives::found(s, "/Groups", &both(&users[0].id), &group).await?;
        s.groups(&both(&unknown())).await?.none()?;
    }
    "13-17i" [Entra Okta] "a user is found by id and manager, in either order" |s| {
        s.needs_extension(ENTERPRISE)?;
        let id = unknown();
        let user = s.user(json!({})).await?;
        let set = json!([{"op": "add", "path": lives::manager_path(), "value": id}]);
        s.patch(&user, set).await?;
        let (own, manager) = (eq("id", &user.id), eq("manager", &id));
        is_filtered(s, &user, &format!("{own} and {manager}")).await?;
        is_filtered(s, &user, &format!("{manager} and {own}")).await?;
        s.users(&format!("{own} and {}", eq("manager", &unknown()))).await?.none()?;
    }
    "13-17j" [Entra Okta] "an unquoted value is a text or a 400, never everything" |s| {
        let id = format!("x{}", s.unique().replace('-', ""));
        let user = s.user(json!({"externalId": id})).await?;
        let filter = s.encoded(&format!("externalId eq {id}"));
        let reply = s.get(format!("/Users?filter={filter}")).await?;
        if reply.status == 200 {
            reply.list()?.only(&user.id)?;
        } else {
            reply.refused(&[400])?.of_type("invalidFilter")?;
        }
    }
    "13-17k" [Rfc Entra Okta] "a plus sign in a filter is a blank" |s| {
        let user = s.user(json!({})).await?;
        let value = s.encoded(&Value::from(user.name.as_str()).to_string());
        s.may("filter")?;
        let list = s.get(format!("/Users?filter=userName+eq+{value}")).await?.list()?;
        list.only(&user.id)?;
    }
    "13-17l" [Entra Okta] "a blank inside a quoted value is part of it" |s| {
        let group = s.group(json!({})).await?;
        lives::found(s, "/Groups", &eq("displayName", &group.name), &group).await?;
        let squeezed = group.name.replace(' ', "");
        s.groups(&eq("displayName", &squeezed)).await?.none()?;
    }
    "13-17m" [Rfc Entra Okta] "and narrows a search" |s| {
        let user = s.user(json!({})).await?;
        let (name, other) = (eq("userName", &user.name), eq("externalId", &unknown()));
        let own = user.sent["externalId"].as_str().unwrap_or_default();
        is_filtered(s, &user, &format!("{name} and {}", eq("externalId", own))).await?;
        s.users(&format!("{name} and {other}")).await?.none()?;
    }
    "13-17n" [Rfc Entra Okta] "a filter that cannot be read is a 400 of type invalidFilter" |s| {
        s.may("filter")?;
        for broken in ["userName eq", "userName like \"x\"", "(userName eq \"x\""] {
            let reply = s.get(format!("/Users?filter={}", s.encoded(broken))).await?;
            if reply.status != 400 {
                return failed(format!("expected 400 for {broken}, answered {}", reply.status));
            }
            reply.refused(&[400])?.of_type("invalidFilter")?;
        }
    }
}
