//! Who one is: workspaces, teams and roles, and the sessions that one has.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::browser::{self, Visit};
use super::page;
use super::texts::Texts;
use crate::accounts::sessions::{self, Listed, Opened, Present};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{ConnectionId, SessionId, WorkspaceId};
use crate::login::connections::{self, State};
use crate::login::logout;
use crate::workspace::members;

/// Leads to one's own page, or says how one comes in.
pub(super) async fn start(visit: Visit) -> Response {
    match visit.present().await {
        Ok(_) => browser::lead("/me"),
        Err(Error::Unauthenticated) => {
            let texts = &visit.texts;
            page(StatusCode::OK, &Start { texts })
        }
        Err(error) => visit.refuse(&error),
    }
}

/// The page of whoever is not in.
#[derive(Template)]
#[template(path = "pages/start.html")]
struct Start<'p> {
    texts: &'p Texts,
}

/// One's own page.
#[derive(Template)]
#[template(path = "pages/me.html")]
struct Me<'p> {
    texts: &'p Texts,
    operator: bool,
    workspaces: Vec<Membership>,
}

/// A workspace that one is in.
struct Membership {
    name: String,
    /// What one is called there.
    shown: String,
    teams: BTreeSet<String>,
    roles: BTreeSet<String>,
    sessions: Vec<Shown>,
    /// The workspace's id, for what an admin does there.
    workspace: WorkspaceId,
    /// The connections that one may test.
    connections: Vec<Testable>,
}

/// A session in a list.
struct Shown {
    listed: Listed,
    is_this: bool,
}

/// A connection that one may test.
struct Testable {
    id: ConnectionId,
    name: String,
    /// How far it is, in `locales`.
    state: &'static str,
}

impl From<connections::Shown> for Testable {
    fn from(shown: connections::Shown) -> Self {
        Self {
            id: shown.id,
            name: shown.name,
            state: match shown.state {
                State::Untried => "connection-untried",
                State::Proved => "connection-proved",
                State::Enabled => "connection-enabled",
            },
        }
    }
}

/// Shows who one is.
pub(super) async fn show(visit: Visit) -> Response {
    match shown(&visit).await {
        Ok(workspaces) => page(StatusCode::OK, &workspaces),
        Err(error) => visit.refuse(&error),
    }
}

async fn shown(visit: &Visit) -> Result<Me<'_>> {
    let present = visit.present().await?;
    let mut workspaces = Vec::new();
    for opened in &present.opened {
        workspaces.push(membership(&visit.app, &present, opened).await?);
    }
    Ok(Me {
        texts: &visit.texts,
        operator: present.operator,
        workspaces,
    })
}

async fn membership(app: &App, present: &Present, opened: &Opened) -> Result<Membership> {
    let member = members::show(app, opened.workspace, opened.member)
        .await?
        .listed;
    let shown = member.display_name.or(member.email).or(member.user_name);
    let sessions = sessions::list(app, (opened.workspace, opened.member)).await?;
    let whose = (opened.workspace, opened.member);
    let testable = connections::list_for(app, whose).await?;
    Ok(Membership {
        workspace: opened.workspace,
        connections: testable.into_iter().map(Testable::from).collect(),
        name: opened.name.clone(),
        shown: shown.unwrap_or_default(),
        teams: member.teams,
        roles: member.roles,
        sessions: sessions
            .into_iter()
            .map(|listed| Shown {
                is_this: listed.id == present.session,
                listed,
            })
            .collect(),
    })
}

/// Ends one of one's own sessions.
pub(super) async fn end(visit: Visit, Path(session): Path<String>) -> Response {
    match end_one(&visit, &session).await {
        Ok(()) => browser::lead("/me"),
        Err(error) => visit.refuse(&error),
    }
}

async fn end_one(visit: &Visit, session: &str) -> Result<()> {
    let present = visit.present().await?;
    let session: SessionId = session.parse().map_err(|_| Error::NotFound("session"))?;
    for opened in &present.opened {
        let whose = (opened.workspace, opened.member);
        let origin = visit.origin(format!("member {}", opened.member));
        match sessions::end(&visit.app, &origin, whose, session).await {
            Err(Error::NotFound(_)) => {}
            ended => return ended,
        }
    }
    Err(Error::NotFound("session"))
}

/// Ends all of one's sessions but this one.
pub(super) async fn end_others(visit: Visit) -> Response {
    match end_all(&visit).await {
        Ok(()) => browser::lead("/me"),
        Err(error) => visit.refuse(&error),
    }
}

async fn end_all(visit: &Visit) -> Result<()> {
    let present = visit.present().await?;
    for opened in &present.opened {
        let whose = (opened.workspace, opened.member);
        let origin = visit.origin(format!("member {}", opened.member));
        sessions::end_all(&visit.app, &origin, whose, Some(present.session)).await?;
    }
    Ok(())
}

/// Ends this session, and says where one signs out at the provider too.
pub(super) async fn sign_out(visit: Visit) -> Response {
    let elsewhere = elsewhere(&visit).await;
    if let Some(token) = visit.token() {
        let origin = visit.origin("session".to_owned());
        if let Err(error) = sessions::sign_out(&visit.app, &origin, token).await {
            return visit.refuse(&error);
        }
    }
    let texts = &visit.texts;
    browser::forget(page(StatusCode::OK, &SignedOut { texts, elsewhere }))
}

/// Where one signs out at the provider that one came in by.
async fn elsewhere(visit: &Visit) -> Option<String> {
    let present = visit.present().await.ok()?;
    let connection = present.opened.iter().find_map(|it| it.connection)?;
    logout::at_provider(&visit.app, connection).await
}

/// The page of whoever has just left.
#[derive(Template)]
#[template(path = "pages/signed_out.html")]
struct SignedOut<'p> {
    texts: &'p Texts,
    /// Where one signs out at the provider.
    elsewhere: Option<String>,
}
