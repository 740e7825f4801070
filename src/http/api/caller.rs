//! Who calls: the API key, and nothing else of the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, OriginalUri, Path};
use axum::http::header::{AUTHORIZATION, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use url::form_urlencoded;
use uuid::Uuid;

use super::body;
use super::page::Page;
use super::problem::Problem;
use super::refusals::Seen;
use crate::app::{App, repeats};
use crate::changes::{Noted, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::limits::{Permit, RequestIdent, expected};
use crate::ids::{CredentialId, MemberId, RequestId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::secrets::tokens;
use crate::workspace::keys::{self, Opened, Permission, Scopes};
use crate::workspace::{self, Workspace, deletion};

/// The holder of an API key, with what every handler needs of its request.
pub struct ApiCaller {
    app: App,
    key: Arc<Opened>,
    params: HashMap<String, String>,
    /// The query's parameters, as they stand there.
    query: Vec<(String, String)>,
    /// What the client has of the resource already.
    pub precondition: Precondition,
    /// The request, as the log names it.
    pub origin: Origin,
    /// What is told of a request that is refused.
    seen: Seen,
    /// A place among the requests in flight, held until the answer is made.
    _permit: Permit,
}

impl FromRequestParts<Shared> for ApiCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Known>().and_then(Known::take) {
            return Ok(known);
        }
        let token = token(parts)?;
        let key = keys::authenticate(&shared.app, token)
            .await
            .map_err(Problem::bad_token)?;
        let request = parts.extensions.get::<RequestIdent>();
        let origin = Origin {
            request: request.map_or_else(RequestId::new, |request| RequestId(request.0)),
            credential: Some(CredentialId(key.found.key.0)),
            actor: Some(actor(&key)),
            method: Some(parts.method.to_string()),
            path: Some(path(parts)),
            noted: Noted::default(),
        };
        let seen = parts.extensions.get::<Seen>().cloned().unwrap_or_default();
        seen.caller(
            &origin,
            key.workspace.as_ref().map(|workspace| workspace.id),
        );
        // Operators share one place among the workspaces, and no quota.
        let share = match &key.workspace {
            Some(workspace) => {
                shared.quota.check(&shared.app, workspace.id).await?;
                workspace.id
            }
            None => WorkspaceId(Uuid::nil()),
        };
        let largest = body::largest(&shared.app.config.limits, parts.uri.path());
        let bytes = expected(&parts.method, &parts.headers, largest);
        let permit = shared.fair_share.enter(share, bytes).await?;
        let params = Path::<HashMap<String, String>>::from_request_parts(parts, shared)
            .await
            .map(|Path(params)| params)
            .unwrap_or_default();
        // No name has it, and no database takes it.
        if params.values().any(|value| value.contains('\0')) {
            return Err(Error::NotFound("resource").into());
        }
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self {
            app: shared.app.clone(),
            key,
            params,
            query: query.into_owned().collect(),
            precondition: precondition(parts)?,
            origin,
            seen,
            _permit: permit,
        })
    }
}

impl ApiCaller {
    /// The workspace of the path, for what needs that permission. One that the key does not open is
    /// not there; a right that it does not have is told only for one that it does.
    pub async fn workspace(&self, permission: Permission) -> Result<Workspace, Problem> {
        let workspace = self.workspace_or_deleted(permission).await?;
        deletion::refuse_deleted(&workspace)?;
        Ok(workspace)
    }

    /// The same, be it deleted.
    pub async fn workspace_or_deleted(&self, permission: Permission) -> Result<Workspace, Problem> {
        let workspace = self.any_workspace().await?;
        if self.scopes().allow(permission) {
            Ok(workspace)
        } else {
            Err(Problem::insufficient_scope(permission))
        }
    }

    /// Whether the caller may still do what it was let in for: the key is looked up anew, and the
    /// workspace asked for as before. For an answer that is written for a while.
    pub(super) async fn check_again(&mut self, permission: Permission) -> Result<(), Problem> {
        self.key = Arc::new(keys::open_again(&self.app, &self.key).await?);
        self.workspace(permission).await.map(drop)
    }

    /// The deployment.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Refuses whoever is no operator: for what belongs to no workspace.
    pub(super) fn operator(&self) -> Result<(), Problem> {
        let is_one = self.key.workspace.is_none() && self.scopes().allow(Permission::Everything);
        is_one
            .then_some(())
            .ok_or_else(|| Problem::insufficient_scope(Permission::Everything))
    }

    /// The workspace of the path, for what every key that opens it may do.
    pub async fn any_workspace(&self) -> Result<Workspace, Problem> {
        let named = self.param("workspace");
        let Some(own) = &self.key.workspace else {
            let found = workspace::find_named(&self.app, named).await?;
            // What is deleted is told nothing more.
            if deletion::refuse_deleted(&found).is_ok() {
                self.seen.workspace(found.id);
            }
            return Ok(found);
        };
        let is_own = named == own.slug || named.parse() == Ok(own.id);
        if is_own {
            Ok(own.clone())
        } else {
            Err(Error::NotFound("workspace").into())
        }
    }

    /// All workspaces that the key opens.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        match &self.key.workspace {
            Some(own) => Ok(vec![own.clone()]),
            None => workspace::list(&self.app).await,
        }
    }

    /// Who acts, and what that key may do.
    pub(super) fn by(&self) -> (&Origin, &Scopes) {
        (&self.origin, self.scopes())
    }

    /// One of many things that the request asks for is answered with that status.
    pub(super) fn answered(&self, member: Option<MemberId>, status: u16) {
        self.seen.part(member, status);
    }

    /// What the key may do.
    pub fn scopes(&self) -> &Scopes {
        &self.key.found.scopes
    }

    /// Where the key keeps what a client's own key stands for.
    pub(super) fn repeats_at(&self, key: &str) -> repeats::Place {
        let workspace = self.key.workspace.as_ref().map(|workspace| workspace.id);
        repeats::place(workspace, self.key.found.key, key)
    }

    /// A parameter of the path.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// Takes a parameter out of the query that is an instant, as RFC 3339 has it.
    pub(super) fn instant(&mut self, name: &str) -> Result<Option<Timestamp>> {
        let at = self.query.iter().position(|(given, _)| given == name);
        let Some(at) = at else {
            return Ok(None);
        };
        let (_, text) = self.query.remove(at);
        let instant = Timestamp::parse(&text);
        let expected = || Error::value(format!("{name}: expected an RFC 3339 date-time"));
        instant.ok_or_else(expected).map(Some)
    }

    /// The parameters of the query, of which there are no others than these, each at most once.
    pub(super) fn parameters<const N: usize>(&self, known: [&str; N]) -> Result<[Option<&str>; N]> {
        let mut found = [None; N];
        for (name, value) in &self.query {
            let Some(at) = known.iter().position(|known| known == name) else {
                let expected = known.join(", ");
                let detail = format!("unknown parameter {name:?}, expected one of {expected}");
                return Err(Error::value(detail));
            };
            if found[at].replace(value.as_str()).is_some() {
                return Err(Error::value(format!("{name} is given twice")));
            }
        }
        Ok(found)
    }

    /// The one value that the query gives a parameter.
    pub(super) fn asked(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.query.iter().filter(|(given, _)| given == name);
        let (first, others) = (values.next(), values.count());
        if others > 0 {
            return Err(Error::value(format!("{name} is given twice")));
        }
        Ok(first.map(|(_, value)| value.as_str()))
    }

    /// The page that the query asks for, of the list of that name.
    pub(super) fn page(&self, list: &str) -> Result<Page> {
        self.page_by(list, &[])
    }

    /// The same of a list that takes `others` beside `limit` and `cursor`.
    pub(super) fn page_by(&self, list: &str, others: &[&str]) -> Result<Page> {
        let opens = self.key.workspace.as_ref();
        let opens = opens.map_or_else(|| "*".to_owned(), |workspace| workspace.id.to_string());
        let binding = format!("api {opens} {list}");
        Page::parse(&self.app, &self.query, others, binding)
    }
}

/// A caller that a layer around the handler has let in already, for the handler to take.
#[derive(Clone)]
pub(super) struct Known(Arc<Mutex<Option<ApiCaller>>>);

impl Known {
    pub(super) fn new(caller: ApiCaller) -> Self {
        Self(Arc::new(Mutex::new(Some(caller))))
    }

    fn take(&self) -> Option<ApiCaller> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Who acts, where the log of a workspace tells it.
fn actor(key: &Opened) -> String {
    match (key.found.member, &key.workspace) {
        (Some(member), _) => format!("member {member}"),
        (None, Some(_)) => "api_key".to_owned(),
        (None, None) => "operator".to_owned(),
    }
}

/// What `If-Match` and `If-None-Match` name.
fn precondition(parts: &Parts) -> Result<Precondition> {
    let listed = |name| {
        let values = parts.headers.get_all(name).iter();
        let texts: Vec<_> = values
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    let (matches, none_match) = (listed(IF_MATCH), listed(IF_NONE_MATCH));
    Precondition::parse(matches.as_deref(), none_match.as_deref())
}

/// The key of the one Authorization header (RFC 6750 section 2.1).
fn token(parts: &Parts) -> Result<&str, Problem> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return Err(Error::Unauthenticated.into());
    };
    let text = header.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer")
                && !token.is_empty()
                && headers.next().is_none() =>
        {
            Ok(token)
        }
        _ => Err(Error::Unauthenticated.into()),
    }
}

/// The path as the audit keeps it: bounded, without the query, and without a key that somebody put
/// there.
fn path(parts: &Parts) -> String {
    // As the client sent it, with what the router took off.
    let sent = parts.extensions.get::<OriginalUri>();
    let uri = sent.map_or(&parts.uri, |OriginalUri(uri)| uri);
    let path: String = uri.path().chars().take(200).collect();
    tokens::masked(&path).into_owned()
}
