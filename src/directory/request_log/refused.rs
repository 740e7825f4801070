//! The last request about somebody that was refused. Whom a request is about is sealed, so that no index
//! finds it: the newest requests of each directory are looked through, and no more than these.

use serde_json::Value;

use super::read::{Entry, Spot, Wanted, newest};
use crate::admission::reasons::Refusal;
use crate::app::App;
use crate::app::scan::Deadline;
use crate::error::Result;
use crate::ids::{DirectoryId, UserId, WorkspaceId};
use crate::scim::fold;
use crate::store::directories;
use crate::store::refusals::Person;

/// How many of a directory's newest requests are looked through.
pub(in crate::directory) const NEWEST: usize = 2_048;

/// The last refused request that names the person by userName, externalId or address, or is about one
/// of these Users; with the name of its directory. Where time is over, the rest is not looked at.
pub(in crate::directory) async fn last(
    app: &App,
    workspace: WorkspaceId,
    (person, users): (&Person, &[UserId]),
) -> Result<Option<(String, Refusal)>> {
    let mut tx = app.db.one().await?;
    let all = directories::list(&mut tx, workspace).await?;
    drop(tx);
    let who = Who { person, users };
    let deadline = Deadline::of(app);
    let mut found: Option<(String, Refusal)> = None;
    for directory in all {
        let last = last_of(app, (workspace, directory.id), &who, &deadline).await?;
        let is_newer = |last: &Refusal| found.as_ref().is_none_or(|(_, of)| of.at < last.at);
        if let Some(last) = last.filter(is_newer) {
            found = Some((directory.name, last));
        }
    }
    Ok(found)
}

async fn last_of(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    who: &Who<'_>,
    deadline: &Deadline,
) -> Result<Option<Refusal>> {
    let (mut from, mut left) = (Spot::newest(), NEWEST);
    let refused = Wanted {
        status: Some((400, 599)),
        ..Wanted::default()
    };
    while left > 0 && !deadline.is_over() {
        let page = newest(app, directory, (&refused, from), left).await?;
        if let Some(entry) = page.entries.into_iter().find(|entry| who.is_meant(entry)) {
            return Ok(Some(Refusal {
                request: entry.id,
                at: entry.at,
                method: entry.method,
                route: entry.route,
                status: entry.status,
                scim_type: entry.scim_type,
                detail: entry.detail,
            }));
        }
        let Some(next) = page.next else {
            return Ok(None);
        };
        (from, left) = (next, left.saturating_sub(page.count));
    }
    Ok(None)
}

/// By what somebody is looked for.
struct Who<'p> {
    person: &'p Person,
    users: &'p [UserId],
}

impl Who<'_> {
    fn is_meant(&self, entry: &Entry) -> bool {
        let is_of = |user: &UserId| entry.resource == Some(user.0);
        self.users.iter().any(is_of) || entry.request.as_ref().is_some_and(|body| self.names(body))
    }

    /// Whether a body says who it is: in a resource, or in a change of one.
    fn names(&self, body: &Value) -> bool {
        match body {
            Value::Array(list) => list.iter().any(|value| self.names(value)),
            Value::Object(object) => {
                let path = object
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("path"));
                let path = path.and_then(|(_, path)| path.as_str());
                object.iter().any(|(name, value)| {
                    let name = match path {
                        Some(path) if name.eq_ignore_ascii_case("value") => path,
                        _ => name,
                    };
                    self.is_said(name, value) || self.names(value)
                })
            }
            _ => false,
        }
    }

    fn is_said(&self, name: &str, value: &Value) -> bool {
        let Some(value) = value.as_str() else {
            return false;
        };
        let name = name.rsplit('.').next().unwrap_or(name);
        match name.to_ascii_lowercase().as_str() {
            "externalid" => value == self.person.text,
            // The last is an address.
            "username" | "value" => fold::key(value) == self.person.key,
            _ => false,
        }
    }
}
