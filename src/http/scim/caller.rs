//! Who calls: the bearer token of a directory, and nothing else of the request.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderName;
use axum::http::header::{AUTHORIZATION, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};

use super::query::Query;
use super::record::Seen;
use super::replay::Replaying;
use super::respond::ScimError;
use super::show::View;
use crate::app::App;
use crate::changes::{Noted, Origin};
use crate::directory::{Access, Caller, credentials, scim_base_url};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::limits::{Permit, RequestIdent, expected};
use crate::ids::{DirectoryId, RequestId};
use crate::scim::etag::Precondition;
use crate::scim::schema::ResourceType;
use crate::workspace::schemas;

/// A directory's client, with what every handler needs of its request.
pub struct ScimCaller {
    /// Who it is.
    pub caller: Caller,
    /// The query parameters.
    pub query: Query,
    /// The endpoint that the path names, where it names one.
    endpoint: String,
    /// The `{id}` of the path, where there is one.
    pub id: String,
    /// What the client demands of the version that is there.
    pub precondition: Precondition,
    /// The base URL that the client used, for locations.
    pub base_url: String,
    /// The token, to look at again while a request goes on for long; none where an admin sends a
    /// request of the log again.
    token: Option<SecretString>,
    /// The workspace's place among the requests in flight, held until the answer is made.
    _permit: Permit,
}

impl FromRequestParts<Shared> for ScimCaller {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ScimError> {
        let again = parts.extensions.get::<Replaying>().cloned();
        let (found, token) = match &again {
            Some(again) => (Arc::clone(&again.found), None),
            None => {
                let token = token(parts)?;
                let found = credentials::authenticate(&shared.app, token).await?;
                (found, Some(SecretString::from(token)))
            }
        };
        let directory = found.directory.clone();
        let request = parts.extensions.get::<RequestIdent>();
        let origin = match again {
            Some(again) => again.origin,
            None => Origin {
                request: request.map_or_else(RequestId::new, |request| RequestId(request.0)),
                credential: Some(found.credential),
                actor: None,
                method: Some(parts.method.to_string()),
                path: Some(path(parts)),
                noted: Noted::default(),
            },
        };
        let seen = parts.extensions.get::<Arc<Seen>>().cloned();
        if let Some(seen) = &seen {
            seen.caller(&directory, found.credential, &origin);
        }
        let params = Path::<HashMap<String, String>>::from_request_parts(parts, shared)
            .await
            .map(|Path(params)| params)
            .unwrap_or_default();
        let public_url = shared.app.config.public_url();
        let base_url = match params.get("directory") {
            Some(named) if named.parse::<DirectoryId>().ok() != Some(directory.id) => {
                return Err(Error::NotFound("directory").into());
            }
            Some(_) => scim_base_url(&public_url, directory.id),
            None => format!("{public_url}/scim/v2"),
        };
        shared.quota.check(&shared.app, directory.workspace).await?;
        let limits = &shared.app.config.limits;
        let largest = match params.get("type").map(String::as_str) {
            Some("Users") => limits.body_user_bytes,
            _ => limits.body_group_bytes,
        };
        let bytes = expected(&parts.method, &parts.headers, largest);
        let permit = shared.fair_share.enter(directory.workspace, bytes).await?;
        let tag = found.schemas_tag;
        let registry = schemas::registry(&shared.app, directory.workspace, tag).await?;
        if let Some(seen) = &seen {
            seen.registry(registry);
        }
        Ok(Self {
            caller: Caller {
                credential: found.credential,
                access: Access {
                    read_only: found.read_only,
                    only_endpoint: found.only_endpoint.clone(),
                },
                directory,
                registry,
                schemas_tag: tag,
                origin,
            },
            query: Query::parse(parts.uri.query().unwrap_or_default())?,
            endpoint: params.get("type").cloned().unwrap_or_default(),
            id: params.get("id").cloned().unwrap_or_default(),
            precondition: precondition(parts)?,
            token,
            base_url,
            _permit: permit,
        })
    }
}

impl ScimCaller {
    /// Whether the credential is still good for what it was: one that was revoked or limited
    /// meanwhile, or whose schemas are others now, ends what a request still has to do.
    pub(super) async fn check_again(&self, app: &App) -> Result<()> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let found = credentials::authenticate(app, token.expose_secret()).await?;
        let is_same = found.read_only == self.caller.access.read_only
            && found.only_endpoint == self.caller.access.only_endpoint
            && found.schemas_tag == self.caller.schemas_tag;
        if is_same {
            Ok(())
        } else {
            Err(Error::Unavailable)
        }
    }

    /// The resource type that the path names.
    pub(super) fn kind(&self) -> Result<&'static ResourceType> {
        let kind = self.caller.kind_at(&self.endpoint);
        kind.ok_or(Error::NotFound("resource type"))
    }

    /// How resources of a type are shown.
    pub(super) fn view(&self, kind: &'static ResourceType) -> Result<View<'_>> {
        self.query.view(kind, &self.base_url)
    }
}

/// The preconditions of the request's headers (RFC 7644 section 3.14).
fn precondition(parts: &Parts) -> Result<Precondition> {
    let header = |name: HeaderName| {
        let values = parts.headers.get_all(name).iter();
        let texts: Vec<_> = values
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    let (matches, none_match) = (header(IF_MATCH), header(IF_NONE_MATCH));
    Precondition::parse(matches.as_deref(), none_match.as_deref())
}

/// The token of the one Authorization header: behind the word `Bearer`, or bare as Okta's header
/// mode sends it (RFC 6750 section 2.1).
fn token(parts: &Parts) -> Result<&str> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(Error::Unauthenticated);
    };
    let text = header.to_str().map_err(|_| Error::Unauthenticated)?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        Some(_) => return Err(Error::Unauthenticated),
        None => text,
    };
    if token.is_empty() {
        return Err(Error::Unauthenticated);
    }
    Ok(token)
}

/// The path as the audit keeps it: bounded, and without the query.
fn path(parts: &Parts) -> String {
    parts.uri.path().chars().take(200).collect()
}
