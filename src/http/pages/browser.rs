//! What a browser shows: its language, what it says it is, and the cookie of its session.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName, LOCATION, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cookie::{Cookie, SameSite};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::texts::Texts;
use super::{Refused, page, refused, told};
use crate::accounts::sessions::{self, Begun, Browser, Present};
use crate::app::App;
use crate::changes::{Noted, Origin};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::limits::RequestIdent;
use crate::ids::RequestId;
use crate::secrets::tokens;

/// The cookie of a session: to this host alone, by TLS alone, and to no script.
const SESSION: &str = "__Host-gatehouse-session";

/// The cookie of a browser that has a login under way, which no other browser has.
const FLOW: &str = "__Host-gatehouse-flow";
/// How long it is kept, in seconds: as long as a login may take.
const FLOW_LIFE: i64 = 600;

/// A request of a browser.
pub(super) struct Visit {
    pub(super) app: App,
    pub(super) texts: Texts,
    pub(super) browser: Browser,
    ident: RequestIdent,
    method: String,
    path: String,
    token: Option<SecretString>,
    flow: Option<SecretString>,
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let header = |name: HeaderName| parts.headers.get(name).and_then(|it| it.to_str().ok());
        let ident = parts.extensions.get::<RequestIdent>().copied();
        let path: String = parts.uri.path().chars().take(200).collect();
        Ok(Self {
            app: shared.app.clone(),
            texts: Texts::asked_for(
                header(ACCEPT_LANGUAGE).unwrap_or_default(),
                &shared.app.config.brand,
            ),
            browser: Browser::of(header(USER_AGENT)),
            ident: ident.unwrap_or(RequestIdent(Uuid::nil())),
            method: parts.method.to_string(),
            path: tokens::masked(&path).into_owned(),
            token: shown(parts, SESSION),
            flow: shown(parts, FLOW),
        })
    }
}

impl Visit {
    /// Who is there.
    pub(super) async fn present(&self) -> Result<Present> {
        let token = self.token().ok_or(Error::Unauthenticated)?;
        sessions::present(&self.app, token).await
    }

    /// What the cookie holds.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// What the cookie of a login holds.
    pub(super) fn flow(&self) -> Option<&str> {
        self.flow.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The request, as the log names it, by whoever acts.
    pub(super) fn origin(&self, actor: String) -> Origin {
        Origin {
            request: RequestId(self.ident.0),
            credential: None,
            actor: Some(actor),
            method: Some(self.method.clone()),
            path: Some(self.path.clone()),
            noted: Noted::default(),
        }
    }

    /// The page of an error.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        if let Error::Internal(cause) = error {
            tracing::error!(error = ?cause, "a page failed");
        }
        let (status, key) = told(error);
        refused(&self.texts, Some(self.ident), status, key)
    }

    /// The same in other words.
    pub(super) fn refuse_as(&self, status: StatusCode, key: &'static str) -> Response {
        self.refuse_saying(status, key, "")
    }

    /// The same with what somebody else says of it, which is shown as text.
    pub(super) fn refuse_saying(
        &self,
        status: StatusCode,
        key: &'static str,
        said: &str,
    ) -> Response {
        let reference = Some(self.ident.0.to_string());
        let texts = &self.texts;
        page(
            status,
            &Refused {
                texts,
                key,
                said,
                reference,
            },
        )
    }
}

/// Leads on to another page of ours.
pub(super) fn lead(path: &'static str) -> Response {
    let location = HeaderValue::from_static(path);
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// Leads on to anywhere.
pub(super) fn lead_to(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Lets a browser keep what a login of its own is known by.
pub(super) fn keep_flow(mut response: Response, value: &str) -> Response {
    let life = cookie::time::Duration::seconds(FLOW_LIFE);
    let cookie = cookie(FLOW, value.to_owned()).max_age(life).build();
    set(&mut response, &cookie);
    response
}

/// Lets a browser keep a session.
pub(super) fn keep(mut response: Response, begun: &Begun) -> Response {
    let cookie = cookie(SESSION, begun.token.expose_secret().to_owned()).build();
    set(&mut response, &cookie);
    response
}

/// Has a browser forget its session, and what it keeps of our pages.
pub(super) fn forget(mut response: Response) -> Response {
    let mut cookie = cookie(SESSION, String::new()).build();
    cookie.make_removal();
    set(&mut response, &cookie);
    let everything = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
    let name = HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(name, everything);
    response
}

fn cookie(name: &'static str, value: String) -> cookie::CookieBuilder<'static> {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
}

fn set(response: &mut Response, cookie: &Cookie<'_>) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// The one cookie of that name that a browser shows; one that shows two shows none: another site below
/// the same domain may have planted one of them.
fn shown(parts: &Parts, name: &str) -> Option<SecretString> {
    let headers = parts.headers.get_all(COOKIE).iter();
    let texts = headers.filter_map(|header| header.to_str().ok());
    let mut found = texts
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .filter(|cookie| cookie.name() == name);
    let first = found.next()?;
    if found.next().is_some() {
        return None;
    }
    Some(first.value().to_owned().into())
}
