//! Lists: `GET /{type}`, `POST /{type}/.search`, and both over all resource types at once
//! (RFC 7644 sections 3.4.2 and 3.4.3).

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tracing::instrument;

use super::body;
use super::caller::ScimCaller;
use super::query::Query;
use super::respond::{ScimError, list_of};
use crate::directory::search::{self, Found, Search, Start};
use crate::error::Error;
use crate::http::Shared;
use crate::scim::messages::SEARCH;
use crate::scim::schema::{Purpose, ResourceType};
use crate::scim::sort::Sort;

type Answer = Result<Response, ScimError>;

/// `GET /{type}`
pub(super) async fn list(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    let kind = caller.kind()?;
    caller.caller.access.check(kind, false)?;
    answer(&shared, &caller, &caller.query, &[kind]).await
}

/// `POST /{type}/.search`
pub(super) async fn search(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let kind = caller.kind()?;
    caller.caller.access.check(kind, false)?;
    let query = asked(&shared, &caller, &headers, body).await?;
    answer(&shared, &caller, &query, &[kind]).await
}

/// `GET /`
pub(super) async fn root(State(shared): State<Shared>, caller: ScimCaller) -> Answer {
    answer(&shared, &caller, &caller.query, &all(&caller)).await
}

/// `POST /.search`
pub(super) async fn search_root(
    State(shared): State<Shared>,
    caller: ScimCaller,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let query = asked(&shared, &caller, &headers, body).await?;
    answer(&shared, &caller, &query, &all(&caller)).await
}

/// Every resource type that the credential opens.
fn all(caller: &ScimCaller) -> Vec<&'static ResourceType> {
    let caller = &caller.caller;
    let kinds = caller.registry.types(caller.sees_roles());
    kinds
        .filter(|kind| caller.access.check(kind, false).is_ok())
        .collect()
}

async fn asked(
    shared: &Shared,
    caller: &ScimCaller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Query, ScimError> {
    let body = body::read(shared, headers, body, Purpose::User).await?;
    body::check_schemas(&caller.caller, &body, SEARCH)?;
    Ok(Query::from_body(body)?)
}

#[instrument(target = "otel", level = "debug", name = "search", skip_all)]
async fn answer(
    shared: &Shared,
    caller: &ScimCaller,
    query: &Query,
    kinds: &[&'static ResourceType],
) -> Answer {
    let views = kinds
        .iter()
        .map(|kind| query.view(kind, &caller.base_url))
        .collect::<Result<Vec<_>, Error>>()?;
    let kinds = kinds.iter().zip(&views);
    let search = Search {
        kinds: kinds
            .map(|(kind, view)| (*kind, view.relations(kind)))
            .collect(),
        base_url: caller.base_url.clone(),
        filter: query.filter.clone(),
        sort: Sort::parse(query.sort_by.as_deref(), query.sort_order.as_deref())?,
        start: match &query.cursor {
            Some(cursor) => Start::Cursor(cursor.clone()),
            None => Start::Index(query.start_index),
        },
        count: query.count,
    };
    let page = search::search(&shared.app, &caller.caller, search).await?;
    let view = |found: &Found| {
        let is_it = |purpose: Purpose| {
            let mut views = views.iter();
            views.find(move |view| view.projection.kind().purpose == purpose)
        };
        match found {
            Found::User(_) => is_it(Purpose::User),
            Found::Group(_) => is_it(Purpose::Group),
            Found::Role(_) => is_it(Purpose::Role),
            Found::Resource(kind, _) => views
                .iter()
                .find(|view| std::ptr::eq(view.projection.kind(), *kind)),
        }
    };
    let resources = page
        .resources
        .iter()
        .filter_map(|found| view(found).map(|view| view.show(found)))
        .collect::<Result<Vec<_>, Error>>()?;
    list_of(page.total, page.next, resources)
}
