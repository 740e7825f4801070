//! Signing in through a connection: which there are, off to the provider, and back.

use askama::Template;
use axum::Json;
use axum::extract::{Form, Path, Query};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::browser::{self, Visit};
use super::page;
use super::texts::Texts;
use crate::admission::first_login::{Found, Why};
use crate::error::{Error, Result};
use crate::ids::{ConnectionId, WorkspaceId};
use crate::login::connections::{self, Open};
use crate::login::flow::{self, Answer, Ended, Started, Wanted};
use crate::login::logout;
use crate::login::report::{self, Outcome, Report};
use crate::login::revocation;
use crate::login::{Person, Refused};

/// Who wants to sign in, by an address or a workspace's name.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Who {
    who: Option<String>,
}

/// How a login is to begin.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Hints {
    return_to: Option<String>,
    login_hint: Option<String>,
    prompt: Option<String>,
}

/// A login that a provider or somebody else begins (OpenID Connect Core 1.0 section 4).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Initiated {
    iss: Option<String>,
    login_hint: Option<String>,
    target_link_uri: Option<String>,
}

/// The page that asks who wants to sign in.
#[derive(Template)]
#[template(path = "pages/sign_in.html")]
struct Asked<'p> {
    texts: &'p Texts,
    /// What was said, of which nothing came.
    who: &'p str,
}

/// Leads on to the workspace that somebody names, or whose address it is; else asks. Of an address
/// nothing is told but what the workspace's own page tells.
pub(super) async fn ask(visit: Visit, Query(query): Query<Who>) -> Response {
    let who = query.who.as_deref().unwrap_or_default().trim();
    let texts = &visit.texts;
    match led_on(&visit, who).await {
        Ok(Some(path)) => browser::lead_to(&path),
        Ok(None) => page(StatusCode::OK, &Asked { texts, who }),
        Err(error) => visit.refuse(&error),
    }
}

async fn led_on(visit: &Visit, who: &str) -> Result<Option<String>> {
    if who.contains('@') {
        let realm = connections::realm(&visit.app, who).await?;
        let hint: String = url::form_urlencoded::byte_serialize(who.as_bytes()).collect();
        return Ok(realm.map(|slug| format!("/w/{slug}/sign-in?login_hint={hint}")));
    }
    let slug = who.to_lowercase();
    let is_slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=64).contains(&slug.len()) && slug.chars().all(is_slug);
    Ok(fits.then(|| format!("/w/{slug}/sign-in")))
}

/// The page with the ways into a workspace.
#[derive(Template)]
#[template(path = "pages/ways.html")]
struct Ways<'p> {
    texts: &'p Texts,
    slug: &'p str,
    /// The workspace's name; none where nobody signs in.
    name: Option<String>,
    open: Vec<Open>,
    /// What each way is given along.
    query: String,
}

/// Shows the ways into a workspace. One that has none looks as one that is not there.
pub(super) async fn ways(
    visit: Visit,
    Path(slug): Path<String>,
    Query(hints): Query<Hints>,
) -> Response {
    let texts = &visit.texts;
    match connections::list_open(&visit.app, &slug).await {
        Ok(open) => {
            let status = if open.is_empty() {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            let ways = Ways {
                texts,
                slug: &slug,
                name: open.first().map(|it| it.workspace_name.clone()),
                open,
                query: hints.query(),
            };
            page(status, &ways)
        }
        Err(error) => visit.refuse(&error),
    }
}

impl Hints {
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("login_hint", &self.login_hint),
            ("return_to", &self.return_to),
            ("prompt", &self.prompt),
        ] {
            if let Some(value) = value.as_ref().filter(|value| value.len() <= 512) {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// Sends the browser to a connection's provider.
pub(super) async fn begin(
    visit: Visit,
    Path((slug, connection)): Path<(String, String)>,
    Query(hints): Query<Hints>,
) -> Response {
    let open = match connections::list_open(&visit.app, &slug).await {
        Ok(open) => open,
        Err(error) => return visit.refuse(&error),
    };
    let Some(open) = open.iter().find(|it| it.id.to_string() == connection) else {
        return visit.refuse(&Error::NotFound("connection"));
    };
    let wanted = Wanted {
        return_to: hints.return_to,
        login_hint: hints.login_hint,
        prompt: hints.prompt,
        ..Wanted::default()
    };
    off(&visit, open.id, &wanted).await
}

/// The same where somebody else begins it. It is a login of its own from here on.
pub(super) async fn initiate(
    visit: Visit,
    Path(connection): Path<String>,
    Query(query): Query<Initiated>,
) -> Response {
    initiated(&visit, &connection, query).await
}

/// The same as a form.
pub(super) async fn initiate_by_form(
    visit: Visit,
    Path(connection): Path<String>,
    Form(form): Form<Initiated>,
) -> Response {
    initiated(&visit, &connection, form).await
}

async fn initiated(visit: &Visit, connection: &str, said: Initiated) -> Response {
    let Ok(connection) = connection.parse() else {
        return visit.refuse(&Error::NotFound("connection"));
    };
    if said.iss.is_none() {
        return refuse(visit, &Refused::Issuer);
    }
    let wanted = Wanted {
        return_to: said.target_link_uri,
        login_hint: said.login_hint,
        iss: said.iss,
        ..Wanted::default()
    };
    off(visit, connection, &wanted).await
}

/// Begins a test login of an admin.
pub(super) async fn test(
    visit: Visit,
    Path((workspace, connection)): Path<(String, String)>,
) -> Response {
    match tested(&visit, &workspace, &connection).await {
        Ok((connection, wanted)) => off(&visit, connection, &wanted).await,
        Err(error) => visit.refuse(&error),
    }
}

async fn tested(
    visit: &Visit,
    workspace: &str,
    connection: &str,
) -> Result<(ConnectionId, Wanted)> {
    let token = visit.token().ok_or(Error::Unauthenticated)?;
    let workspace = workspace.parse();
    let workspace: WorkspaceId = workspace.map_err(|_| Error::NotFound("workspace"))?;
    let (tester, workspace) = report::tester(&visit.app, token, workspace).await?;
    let found = connections::find(&visit.app, workspace, connection).await?;
    let wanted = Wanted {
        tester: Some(tester),
        ..Wanted::default()
    };
    Ok((found.id, wanted))
}

async fn off(visit: &Visit, connection: ConnectionId, wanted: &Wanted) -> Response {
    let origin = visit.origin("login".to_owned());
    match flow::begin(&visit.app, &origin, connection, wanted, visit.flow()).await {
        Ok(Started { url, browser }) => {
            browser::keep_flow(browser::lead_to(&url), browser.expose_secret())
        }
        Err(refused) => refuse(visit, &refused),
    }
}

/// Takes a browser back from a provider.
pub(super) async fn end(
    visit: Visit,
    Path(connection): Path<String>,
    Query(answer): Query<Answer>,
) -> Response {
    let Ok(connection) = connection.parse() else {
        return visit.refuse(&Error::NotFound("connection"));
    };
    let origin = visit.origin("login".to_owned());
    let browser = (visit.browser.clone(), visit.flow(), visit.token());
    match flow::end(&visit.app, &origin, connection, &answer, browser).await {
        Ok(Ended::In { begun, return_to }) => browser::keep(browser::lead_to(&return_to), &begun),
        Ok(Ended::Tested(person, tested)) => shown(&visit, &person, &tested).await,
        Err(refused) => refuse(&visit, &refused),
    }
}

/// What a provider says when somebody is out.
#[derive(Debug, Deserialize)]
pub(super) struct Out {
    logout_token: String,
}

/// Ends the sessions that a provider says are over (OpenID Connect Back-Channel Logout 1.0).
pub(super) async fn by_provider(
    visit: Visit,
    Path(connection): Path<String>,
    Form(out): Form<Out>,
) -> Response {
    let Ok(connection) = connection.parse() else {
        return visit.refuse(&Error::NotFound("connection"));
    };
    let origin = visit.origin("provider".to_owned());
    match logout::by_provider(&visit.app, &origin, connection, &out.logout_token).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(refused) => refuse(&visit, &refused),
    }
}

/// Ends all sessions of somebody as a provider asks (Global Token Revocation).
pub(super) async fn revoke(
    visit: Visit,
    Path(connection): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<revocation::Asked>,
) -> Response {
    let Ok(connection) = connection.parse() else {
        return visit.refuse(&Error::NotFound("connection"));
    };
    let shown = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let Some(token) = shown.and_then(|it| it.strip_prefix("Bearer ")) else {
        return visit.refuse(&Error::Unauthenticated);
    };
    let origin = visit.origin("provider".to_owned());
    match revocation::by_provider(&visit.app, &origin, connection, token, &asked).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(Refused::Token(_) | Refused::Issuer | Refused::Tenant) => {
            visit.refuse(&Error::Unauthenticated)
        }
        Err(refused) => refuse(&visit, &refused),
    }
}

/// The page of a test login.
#[derive(Template)]
#[template(path = "pages/tested.html")]
struct Tested<'p> {
    texts: &'p Texts,
    report: &'p Report,
    /// What it would come to, in `locales`.
    outcome: &'static str,
    /// The member's name, where it is one.
    member: &'p str,
}

async fn shown(visit: &Visit, person: &Person, tested: &connections::Connection) -> Response {
    let origin = visit.origin("login".to_owned());
    let report = match report::prove(&visit.app, &origin, person, tested).await {
        Ok(report) => report,
        Err(refused) => return refuse(visit, &refused),
    };
    let (outcome, member) = match &report.outcome {
        Outcome::Member(name, Found::Identity) => ("tested-by-identity", name.as_str()),
        Outcome::Member(name, Found::Directory) => ("tested-by-directory", name.as_str()),
        Outcome::Member(name, Found::Address) => ("tested-by-address", name.as_str()),
        Outcome::New => ("tested-new", ""),
        Outcome::Asks => ("tested-asks", ""),
        Outcome::Refused(why) => (of_person(*why), ""),
    };
    page(
        StatusCode::OK,
        &Tested {
            texts: &visit.texts,
            report: &report,
            outcome,
            member,
        },
    )
}

/// The page of whoever was not signed in.
fn refuse(visit: &Visit, refused: &Refused) -> Response {
    let (status, key) = match refused {
        Refused::Other(error) => return visit.refuse(error),
        Refused::Provider { text, .. } => {
            let key = "login-provider";
            return visit.refuse_saying(StatusCode::BAD_REQUEST, key, text);
        }
        Refused::State | Refused::Connection => (StatusCode::BAD_REQUEST, "login-state"),
        Refused::Browser => (StatusCode::BAD_REQUEST, "login-browser"),
        Refused::Away => (StatusCode::BAD_GATEWAY, "login-away"),
        Refused::Issuer
        | Refused::Exchange(_)
        | Refused::Token(_)
        | Refused::UserInfo
        | Refused::Claim(_) => (StatusCode::BAD_REQUEST, "login-answer"),
        Refused::Tenant => (StatusCode::FORBIDDEN, "login-tenant"),
        Refused::Weak => (StatusCode::FORBIDDEN, "login-weak"),
        Refused::Person { why, .. } => (StatusCode::FORBIDDEN, of_person(*why)),
    };
    visit.refuse_as(status, key)
}

fn of_person(why: Why) -> &'static str {
    match why {
        Why::Unknown => "login-unknown",
        Why::Unproved => "login-unproved",
        Why::Several => "login-several",
        Why::AnotherIdentity => "login-another-identity",
        Why::Left => "login-left",
        Why::ShutOut => "login-shut-out",
        Why::NoSeat => "login-no-seat",
        Why::Asked => "login-asked",
        Why::Declined => "login-declined",
    }
}
