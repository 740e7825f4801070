//! One-time links: a page with a button, and what the button does.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::browser::{self, Visit};
use super::page;
use super::texts::Texts;
use crate::accounts::links;
use crate::error::Error;

/// The page of a link that would open something.
#[derive(Template)]
#[template(path = "pages/link.html")]
struct Door<'p> {
    texts: &'p Texts,
    link: &'p str,
    /// The workspace's name; none where it is an operator's link.
    workspace: Option<&'p str>,
}

/// Shows what a link opens. Nothing changes by it.
pub(super) async fn show(visit: Visit, Path(text): Path<String>) -> Response {
    match links::look(&visit.app, &text).await {
        Ok(link) => page(
            StatusCode::OK,
            &Door {
                texts: &visit.texts,
                link: &text,
                workspace: link.workspace_name.as_deref(),
            },
        ),
        Err(error) => refuse(&visit, &error),
    }
}

/// Follows a link: the session begins, and another that the browser had ends.
pub(super) async fn follow(visit: Visit, Path(text): Path<String>) -> Response {
    let origin = visit.origin("link".to_owned());
    let browser = visit.browser.clone();
    match links::follow(&visit.app, &origin, &text, browser, visit.token()).await {
        Ok(begun) => browser::keep(browser::lead("/me"), &begun),
        Err(error) => refuse(&visit, &error),
    }
}

/// Whatever is wrong with a link, it is told the same.
fn refuse(visit: &Visit, error: &Error) -> Response {
    match error {
        Error::Unauthenticated => visit.refuse_as(StatusCode::GONE, "refused-link"),
        error => visit.refuse(error),
    }
}
