//! Tokens of directories, `ghs_<workspace id>_<secret><check>`, and keys of the management API:
//! `gha_<workspace id>_<secret><check>` and, for operators, `gho_<secret><check>`. The workspace
//! stands in clear, so that the look-up is bound to it; the check refuses typing errors before the
//! database is asked. What people show, one-time links and sessions, is `ghl_` and `ghk_` with
//! `<secret><check>`.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use uuid::Uuid;

use super::{fill, sha256};
use crate::error::Result;
use crate::ids::WorkspaceId;

const DIRECTORY: &str = "ghs_";
const WORKSPACE: &str = "gha_";
const OPERATOR: &str = "gho_";
const LINK: &str = "ghl_";
const SESSION: &str = "ghk_";
/// How tokens begin, all of one length.
const PREFIXES: [&str; 5] = [DIRECTORY, WORKSPACE, OPERATOR, LINK, SESSION];
const PREFIX: usize = 4;
/// The secret's length in random bytes.
const SECRET: usize = 32;
/// The check's length in characters.
const CHECK: usize = 6;

/// What a token is for; one kind never opens another kind's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A directory of that workspace, over SCIM.
    Directory(WorkspaceId),
    /// That workspace, over the management API.
    Workspace(WorkspaceId),
    /// The deployment, over the management API.
    Deployment,
    /// A session, once: what a one-time link has.
    Link,
    /// The pages: what a browser keeps of a session.
    Session,
}

/// Makes a token: what the client gets, and the hash that is stored.
pub fn mint(door: Door) -> Result<(SecretString, [u8; 32])> {
    let mut secret = zeroize::Zeroizing::new([0; SECRET]);
    fill(&mut *secret)?;
    let secret = zeroize::Zeroizing::new(BASE64URL_NOPAD.encode(&*secret));
    let text = match door {
        Door::Directory(workspace) => {
            format!("{DIRECTORY}{}_{}", workspace.0.simple(), *secret)
        }
        Door::Workspace(workspace) => {
            format!("{WORKSPACE}{}_{}", workspace.0.simple(), *secret)
        }
        Door::Deployment => format!("{OPERATOR}{}", *secret),
        Door::Link => format!("{LINK}{}", *secret),
        Door::Session => format!("{SESSION}{}", *secret),
    };
    let text = format!("{text}{}", check(&text));
    let hash = sha256(text.as_bytes());
    Ok((SecretString::from(text), hash))
}

/// What a token in the right form is for, and its hash; what is in no right form is none.
pub fn parse(text: &str) -> Option<(Door, [u8; 32])> {
    let (prefix, rest) = text.split_at_checked(PREFIX)?;
    let (door, secret) = match prefix {
        OPERATOR => (Door::Deployment, rest),
        LINK => (Door::Link, rest),
        SESSION => (Door::Session, rest),
        DIRECTORY | WORKSPACE => {
            let (workspace, secret) = rest.split_once('_')?;
            let workspace = parse_workspace(workspace)?;
            let door = match prefix {
                DIRECTORY => Door::Directory(workspace),
                _ => Door::Workspace(workspace),
            };
            (door, secret)
        }
        _ => return None,
    };
    let is_form = secret.is_ascii() && secret.len() == BASE64URL_NOPAD.encode_len(SECRET) + CHECK;
    let (body, given) = text.split_at_checked(text.len().checked_sub(CHECK)?)?;
    if !is_form || check(body) != given {
        return None;
    }
    Some((door, sha256(text.as_bytes())))
}

fn parse_workspace(text: &str) -> Option<WorkspaceId> {
    let is_form = text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_form {
        return None;
    }
    Uuid::try_parse(text).ok().map(WorkspaceId)
}

/// A text without what looks like a token in it, wherever somebody put one.
pub fn masked(text: &str) -> Cow<'_, str> {
    let first = |text: &str| PREFIXES.iter().filter_map(|it| text.find(it)).min();
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = first(rest) {
        let (before, token) = rest.split_at(at + PREFIX);
        shown.push_str(before);
        shown.push_str("***");
        rest = token.trim_start_matches(is_token);
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

fn check(text: &str) -> String {
    let mut check = BASE64URL_NOPAD.encode(&sha256(text.as_bytes())[..6]);
    check.truncate(CHECK);
    check
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{Door, masked, mint, parse};
    use crate::ids::WorkspaceId;

    fn doors() -> [Door; 5] {
        let workspace = WorkspaceId::new();
        [
            Door::Directory(workspace),
            Door::Workspace(workspace),
            Door::Deployment,
            Door::Link,
            Door::Session,
        ]
    }

    // C009, C012
    #[test]
    fn a_nearly_right_token_is_none() {
        for door in doors() {
            let (token, hash) = mint(door).unwrap();
            let text = token.expose_secret();
            assert_eq!(parse(text), Some((door, hash)));
            let (other, _) = mint(door).unwrap();
            let (prefix, rest) = text.split_at(4);
            for wrong in [
                text[..text.len() - 1].to_owned(),
                format!("{text}A"),
                format!("{text}="),
                text.to_uppercase(),
                text.replacen('_', "%5F", 1),
                format!("{text},{}", other.expose_secret()),
                format!(" {text}"),
                String::new(),
                prefix.to_owned(),
                format!("{prefix}_"),
                format!("gha_{rest}").replace(text, ""),
                format!("ghs_{rest}").replace(text, ""),
                format!("gho_{rest}").replace(text, ""),
                "gü_ä".to_owned(),
            ] {
                assert_eq!(parse(&wrong), None, "{wrong}");
            }
        }
    }

    // C016
    #[test]
    fn a_token_inside_a_text_is_masked() {
        for door in doors() {
            let (token, _) = mint(door).unwrap();
            let token = token.expose_secret();
            let prefix = &token[..4];
            let text = format!("/ä/{token}?b {prefix} {token}");
            let shown = format!("/ä/{prefix}***?b {prefix}*** {prefix}***");
            assert_eq!(masked(&text), shown);
        }
        assert_eq!(masked("ghs_a,gho_b!"), "ghs_***,gho_***!");
        assert_eq!(masked("/Users"), "/Users");
    }
}
