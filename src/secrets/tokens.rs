//! Directory tokens: `ghs_<workspace id>_<secret><check>`. The workspace stands in clear, so that
//! the look-up is bound to it; the check refuses typing errors before the database is asked.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use uuid::Uuid;

use super::{fill, sha256};
use crate::error::Result;
use crate::ids::WorkspaceId;

const PREFIX: &str = "ghs_";
/// The secret's length in random bytes.
const SECRET: usize = 32;
/// The check's length in characters.
const CHECK: usize = 6;

/// Makes a token of a workspace: what the client gets, and the hash that is stored.
pub fn mint(workspace: WorkspaceId) -> Result<(SecretString, [u8; 32])> {
    let mut secret = zeroize::Zeroizing::new([0; SECRET]);
    fill(&mut *secret)?;
    let text = format!(
        "{PREFIX}{}_{}",
        workspace.0.simple(),
        BASE64URL_NOPAD.encode(&*secret)
    );
    let text = format!("{text}{}", check(&text));
    let hash = sha256(text.as_bytes());
    Ok((SecretString::from(text), hash))
}

/// The workspace and the hash of a token in the right form; what is in no right form is none.
pub fn parse(text: &str) -> Option<(WorkspaceId, [u8; 32])> {
    let rest = text.strip_prefix(PREFIX)?;
    let (workspace, secret) = rest.split_once('_')?;
    let is_form = secret.is_ascii()
        && secret.len() == BASE64URL_NOPAD.encode_len(SECRET) + CHECK
        && workspace.len() == 32
        && workspace
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let (body, given) = text.split_at_checked(text.len().checked_sub(CHECK)?)?;
    if !is_form || check(body) != given {
        return None;
    }
    let workspace = Uuid::try_parse(workspace).ok()?;
    Some((WorkspaceId(workspace), sha256(text.as_bytes())))
}

/// A text without what looks like a token in it, wherever somebody put one.
pub fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains(PREFIX) {
        return Cow::Borrowed(text);
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut parts = text.split(PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(PREFIX);
        shown.push_str("***");
        shown.push_str(part.trim_start_matches(is_token));
    }
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

    use super::{masked, mint, parse};
    use crate::ids::WorkspaceId;

    // C012
    #[test]
    fn a_nearly_right_token_is_none() {
        let workspace = WorkspaceId::new();
        let (token, hash) = mint(workspace).unwrap();
        let text = token.expose_secret();
        assert_eq!(parse(text), Some((workspace, hash)));
        let (other, _) = mint(workspace).unwrap();
        for wrong in [
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            text.to_uppercase(),
            text.replace("ghs_", "ghs%5F"),
            format!("{text},{}", other.expose_secret()),
            format!(" {text}"),
            String::new(),
            "ghs_".to_owned(),
            "ghs__".to_owned(),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }
    // C016
    #[test]
    fn a_token_inside_a_text_is_masked() {
        let (token, _) = mint(WorkspaceId::new()).unwrap();
        let text = format!("/a/{}?b ghs_ {0}", token.expose_secret());
        assert_eq!(masked(&text), "/a/ghs_***?b ghs_*** ghs_***");
        assert_eq!(masked("/Users"), "/Users");
    }
}
