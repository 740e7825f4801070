//! A call that was to change something and is refused leaves its record: it lacked a right, or named
//! what its key does not open.
//!
//! This layer is around the handlers and around [`super::idempotency`], whose mark says of a request
//! that it did something: the record of a refusal is not that.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use uuid::Uuid;

use super::V1;
use super::problem::Problem;
use crate::changes::Origin;
use crate::changes::refusals::{self, Refused};
use crate::http::{Shared, to_its_end};
use crate::ids::{MemberId, WorkspaceId};

/// The parameters of paths that are ids alone. Whatever else stands in their place may be
/// somebody's address, which the log does not keep in clear.
const IDS: [&str; 4] = ["{id}", "{group}", "{run}", "{request}"];

/// What a handler and its extractor tell the layer of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    origin: Option<Origin>,
    /// In whose log it is told.
    workspace: Option<WorkspaceId>,
    /// What was refused of a request that as a whole was not.
    parts: Vec<(Option<MemberId>, u16)>,
}

impl Seen {
    /// Who asks; a key of operators belongs to no workspace.
    pub(super) fn caller(&self, origin: &Origin, workspace: Option<WorkspaceId>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.origin = Some(origin.clone());
        known.workspace = workspace;
    }

    /// The workspace that an operator names.
    pub(super) fn workspace(&self, workspace: WorkspaceId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.workspace = Some(workspace);
    }

    /// One of many things that a request asks for is answered with that status.
    pub(super) fn part(&self, member: Option<MemberId>, status: u16) {
        if is_refusal(status) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.parts.push((member, status));
        }
    }

    /// What was refused of a request that is answered so.
    fn refused(&self, route: &'static str, response: &Response) -> Vec<Refused> {
        let known = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (Some(mut origin), Some(workspace)) = (known.origin, known.workspace) else {
            return Vec::new();
        };
        let (path, target) = told(route, origin.path.as_deref().unwrap_or_default());
        origin.path = Some(path);
        let refused = |target, status, permission| Refused {
            origin: origin.clone(),
            workspace,
            route,
            target,
            status,
            permission,
        };
        let status = response.status().as_u16();
        if is_refusal(status) {
            let problem = response.extensions().get::<Problem>();
            let permission = problem.and_then(Problem::permission);
            return vec![refused(target, status, permission)];
        }
        let parts = known.parts.into_iter();
        parts
            .map(|(member, status)| refused(member.map(|id| id.0), status, None))
            .collect()
    }
}

/// The handlers of a route with the layer around them.
pub(super) fn around(
    handlers: MethodRouter<Shared>,
    shared: &Shared,
    route: &'static str,
) -> MethodRouter<Shared> {
    let state = (shared.clone(), route);
    handlers.layer(middleware::from_fn_with_state(state, told_of))
}

async fn told_of(
    State((shared, route)): State<(Shared, &'static str)>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let seen = Seen::default();
    request.extensions_mut().insert(seen.clone());
    let response = next.run(request).await;
    let refused = seen.refused(route, &response);
    if !refused.is_empty() {
        // Who goes away before the answer was refused all the same.
        let telling = to_its_end(async move { refusals::tell(&shared.app, refused).await });
        if let Err(error) = telling.await {
            tracing::error!(error = ?error, "a refusal is not in the log of changes");
        }
    }
    response
}

fn is_refusal(status: u16) -> bool {
    status == StatusCode::FORBIDDEN || status == StatusCode::NOT_FOUND
}

/// A path as the log keeps it where nothing says that it names what is there, and the last id in it.
fn told(route: &str, path: &str) -> (String, Option<Uuid>) {
    let mut target = None;
    let path = path.strip_prefix(V1).unwrap_or(path);
    let kept = route.split('/').zip(path.split('/')).map(|(part, value)| {
        let id = value.parse::<Uuid>().ok();
        if part == "{workspace}" {
            let is_name = value
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-');
            return if is_name { value } else { part };
        }
        if part.starts_with('{') {
            target = id.or(target);
        }
        let is_hidden = IDS.contains(&part) && id.is_none();
        // Names of roles, teams and the like.
        let is_address = value.contains('@') || value.contains("%40");
        if is_hidden || is_address { part } else { value }
    });
    let kept: Vec<_> = kept.collect();
    (format!("{V1}{}", kept.join("/")), target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_without_what_may_be_an_address() {
        let id = "019aa000-0000-7000-8000-000000000001";
        let route = "/workspaces/{workspace}/members/{id}/{kind}/{name}";
        let check = |path: &str, kept: &str, target: Option<&str>| {
            let target = target.map(|id| id.parse().expect("an id"));
            let path = format!("/api/v1{path}");
            let kept = format!("/api/v1{kept}");
            assert_eq!(told(route, &path), (kept, target), "{path}");
        };
        let whole = format!("/workspaces/acme/members/{id}/roles/admin");
        check(&whole, &whole, Some(id));
        check(
            "/workspaces/acme/members/ada.lovelace/roles/a%40b",
            "/workspaces/acme/members/{id}/roles/{name}",
            None,
        );
        check(
            "/workspaces/ada@acme.example/members/x/roles/a%20b",
            "/workspaces/{workspace}/members/{id}/roles/a%20b",
            None,
        );
    }
}
