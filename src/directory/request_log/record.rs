//! From an exchange to a row: secrets removed, cut, sealed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Kept, PURPOSE, Private, binding};
use crate::app::exchanges::{BODY, Exchange};
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::scim::redact::{self, Kinds};
use crate::scim::registry::Registry;
use crate::secrets::{Keyring, WorkspaceKey, tokens};
use crate::store::request_log::Logged;

/// What a base URL ends in.
const BASE: &str = "/scim/v2";
/// The longest texts that are kept, in characters.
const PATH: usize = 4096;
const USER_AGENT: usize = 200;
const DETAIL: usize = 1000;

/// Makes rows of exchanges.
pub(super) struct Rows<'k> {
    keys: &'k Keyring,
    /// How many bytes of a body are kept.
    most: usize,
    /// Keys of workspaces that came by: to derive one takes as long as to seal with it.
    known: HashMap<WorkspaceId, WorkspaceKey>,
}

impl<'k> Rows<'k> {
    pub(super) fn new(keys: &'k Keyring, most: usize) -> Self {
        Self {
            keys,
            most,
            known: HashMap::new(),
        }
    }

    /// The row of an exchange.
    pub(super) fn row(&mut self, exchange: Exchange) -> Result<Logged> {
        let key = match self.known.entry(exchange.workspace) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.keys.of_workspace(exchange.workspace, PURPOSE)?),
        };
        row(exchange, key, self.most)
    }
}

fn row(exchange: Exchange, key: &WorkspaceKey, most: usize) -> Result<Logged> {
    let below = below_base(&exchange.path).to_owned();
    let registry = exchange.registry.unwrap_or(Registry::built_in());
    let kinds: Vec<_> = registry.types(true).collect();
    let kinds = kinds.as_slice();
    let route = route(below_base(&exchange.route), &below, registry);
    let answer = exchange.answer.as_deref().unwrap_or_default();
    let refused: Option<Value> = serde_json::from_slice(answer).ok();
    let told = |name: &str| {
        let text = refused.as_ref().and_then(|body| body[name].as_str());
        text.map(|text| text.chars().take(DETAIL).collect::<String>())
    };
    let private = Private {
        path: path(&exchange, &below, kinds),
        request: request(&exchange, &below, kinds, most),
        response: (!answer.is_empty() && most > 0)
            .then(|| cut(&String::from_utf8_lossy(answer), most)),
        detail: told("detail"),
        notes: exchange.notes,
    };
    let (workspace, directory) = (exchange.workspace, exchange.directory);
    let text = serde_json::to_vec(&private).map_err(Error::internal)?;
    let user_agent = exchange.user_agent.map(|text| {
        let text: String = text.chars().take(USER_AGENT).collect();
        tokens::masked(&text).into_owned()
    });
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(Logged {
        workspace,
        directory,
        id: exchange.id,
        at: exchange.at,
        credential: exchange.credential,
        resource: resource(&route, &below, exchange.location.as_deref()),
        method: exchange.method,
        route,
        status: exchange.status.into(),
        scim_type: told("scimType"),
        micros: number(exchange.micros),
        bytes_in: number(exchange.bytes_in),
        bytes_out: number(exchange.bytes_out),
        user_agent,
        sealed: key.seal(&binding(workspace, directory, exchange.id), &text)?,
    })
}

/// A path or template without the base URL's part.
fn below_base(path: &str) -> &str {
    path.split_once(BASE).map_or(path, |(_, below)| below)
}

/// The template with the endpoint of the resource type, where there is such a type.
fn route(template: &str, path: &str, registry: &Registry) -> String {
    let endpoint = path.split('/').nth(1).unwrap_or_default();
    match registry.at(endpoint) {
        Some(_) => template.replace("{type}", endpoint),
        None => template.to_owned(),
    }
}

/// Path and query, to be read by people.
fn path(exchange: &Exchange, below: &str, kinds: Kinds<'_>) -> String {
    let mut text = percent_decode_str(&exchange.path)
        .decode_utf8_lossy()
        .into_owned();
    if let Some(query) = &exchange.query {
        text.push('?');
        text.push_str(&redact::query(kinds, below, query));
    }
    let text: String = text.chars().take(PATH).collect();
    tokens::masked(&text).into_owned()
}

fn request(exchange: &Exchange, below: &str, kinds: Kinds<'_>, most: usize) -> Option<Kept> {
    if most == 0 {
        return None;
    }
    let left_out = |why: &str| {
        Some(Kept {
            text: format!("«{why}»"),
            cut: true,
        })
    };
    let Some(body) = &exchange.body else {
        let is_long = exchange.bytes_in > BODY as u64;
        return match (is_long, exchange.bytes_in) {
            (true, _) => left_out("too long"),
            (false, 0) => None,
            // It was not read, or there was no room for it.
            (false, _) => left_out("not kept"),
        };
    };
    // A text that is no JSON cannot be looked through for secrets.
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return left_out("not JSON");
    };
    let kept = redact::body(kinds, &exchange.method, below, value).to_string();
    Some(cut(&tokens::masked(&kept), most))
}

fn cut(text: &str, most: usize) -> Kept {
    let end = text.floor_char_boundary(most);
    Kept {
        text: text[..end].to_owned(),
        cut: end < text.len(),
    }
}

/// The id in the path, else the one that the answer names.
fn resource(route: &str, path: &str, location: Option<&str>) -> Option<uuid::Uuid> {
    let in_path = route
        .split('/')
        .zip(path.split('/'))
        .find(|(template, _)| *template == "{id}")
        .map(|(_, id)| id);
    let named = in_path.or_else(|| location?.rsplit('/').next())?;
    uuid::Uuid::try_parse(named).ok()
}

#[cfg(test)]
mod tests {
    use super::{below_base, cut, resource};

    #[test]
    fn the_resource_is_in_the_path_or_in_the_answer() {
        let id = "0199a5b0-0000-7000-8000-000000000001";
        let at = format!("https://gate.example/scim/v2/Users/{id}");
        let check = |route: &str, path: &str, location: Option<&str>, expect: bool| {
            let found = resource(route, path, location).map(|found| found.to_string());
            assert_eq!(found.as_deref(), expect.then_some(id), "{route} {path}");
        };
        check("/Users/{id}", &format!("/Users/{id}"), None, true);
        check("/Users/{id}/", &format!("/Users/{id}/"), None, true);
        check("/Users", "/Users", Some(&at), true);
        check("/Users", "/Users", None, false);
        check("/Users/{id}", "/Users/ada@acme.example", None, false);
    }

    #[test]
    fn paths_are_shown_below_the_base_and_bodies_cut_between_letters() {
        assert_eq!(below_base("/d/{directory}/scim/v2/Users"), "/Users");
        assert_eq!(below_base("/scim/v2/Users/{id}"), "/Users/{id}");
        let kept = cut("äöü", 3);
        assert_eq!((kept.text.as_str(), kept.cut), ("ä", true));
        assert!(!cut("äöü", 6).cut);
    }
}
