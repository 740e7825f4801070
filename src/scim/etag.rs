//! Entity tags of requests (RFC 7644 section 3.14, RFC 9110 section 13.1): which versions of a
//! resource a client asks for.

use crate::error::{Error, Invalid, Result};

/// Longest header or `version` of a Bulk operation, in bytes.
const BYTES: usize = 4096;

/// A list of entity tags, compared weakly: a resource has one representation for each version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any version.
    Any,
    /// These, without `W/` and quotes.
    Listed(Vec<String>),
}

/// What a client demands of the version that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: it is one of these.
    pub matches: Option<Tags>,
    /// `If-None-Match`: it is none of these.
    pub none_match: Option<Tags>,
}

impl Tags {
    /// Reads `*` or a list of tags; anything else is malformed (C044).
    ///
    /// ```
    /// use gatehouse::scim::etag::Tags;
    ///
    /// assert!(Tags::parse(r#"W/"2", "3""#)?.include(3));
    /// assert!(Tags::parse("W/3").is_err());
    /// # Ok::<(), gatehouse::error::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let malformed = || Error::invalid(Invalid::Syntax, "expected entity tags such as W/\"1\"");
        if text.is_empty() || text.len() > BYTES {
            return Err(malformed());
        }
        // A tag may hold a comma, so the quotes lead. Empty elements of a list are read past
        // (RFC 9110 section 5.6.1.2).
        let mut tags = Vec::new();
        let blank = |c: char| c == ',' || c.is_ascii_whitespace();
        let mut rest = text.trim_start_matches(blank);
        while !rest.is_empty() {
            let opened = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"');
            let (tag, after) = opened
                .and_then(|opened| opened.split_once('"'))
                .ok_or_else(malformed)?;
            let after = after.trim_start();
            let is_apart = after.is_empty() || after.starts_with(',');
            if !tag.bytes().all(is_tag_byte) || !is_apart {
                return Err(malformed());
            }
            tags.push(tag.to_owned());
            rest = after.trim_start_matches(blank);
        }
        if tags.is_empty() {
            return Err(malformed());
        }
        Ok(Self::Listed(tags))
    }

    /// Whether that version is among them.
    #[must_use]
    pub fn include(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.contains(&version.to_string()),
        }
    }
}

impl Precondition {
    /// Reads the two headers, where they are given.
    pub fn parse(matches: Option<&str>, none_match: Option<&str>) -> Result<Self> {
        Ok(Self {
            matches: matches.map(Tags::parse).transpose()?,
            none_match: none_match.map(Tags::parse).transpose()?,
        })
    }

    /// Whether anything is demanded at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.matches.is_none() && self.none_match.is_none()
    }

    /// Holds it against the version that is there, before it is written.
    pub fn check(&self, version: i64) -> Result<()> {
        self.check_match(version)?;
        if self.is_unmodified(version) {
            return Err(Error::VersionMismatch);
        }
        Ok(())
    }

    /// Whether that version is one that the client asks for.
    pub fn check_match(&self, version: i64) -> Result<()> {
        let mut wanted = self.matches.iter();
        if wanted.all(|tags| tags.include(version)) {
            return Ok(());
        }
        Err(Error::VersionMismatch)
    }

    /// Whether a reader has that version already.
    #[must_use]
    pub fn is_unmodified(&self, version: i64) -> bool {
        self.none_match
            .as_ref()
            .is_some_and(|tags| tags.include(version))
    }
}

/// `etagc` of RFC 9110 section 8.8.3, in ASCII.
fn is_tag_byte(byte: u8) -> bool {
    byte == b'!' || (b'#'..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    // C044
    #[test]
    fn tags_are_read_and_what_is_malformed_is_refused() {
        let check = |text: &str, expect: &[&str]| {
            let tags = expect.iter().map(|tag| (*tag).to_owned()).collect();
            assert_eq!(Tags::parse(text).unwrap(), Tags::Listed(tags), "{text}");
        };
        check(r#"W/"3""#, &["3"]);
        check(r#""3""#, &["3"]);
        check(r#" W/"a,b" ,"4""#, &["a,b", "4"]);
        check(r#""""#, &[""]);
        check(r#", ,W/"1","#, &["1"]);
        assert_eq!(Tags::parse(" * ").unwrap(), Tags::Any);
        for text in [
            "",
            "3",
            "W/3",
            "\"3",
            "3\"",
            "w/\"3\"",
            "\"3\" \"4\"",
            ",",
            "*,\"3\"",
            "\"a b\"",
            "\"ä\"",
        ] {
            assert!(Tags::parse(text).is_err(), "{text:?}");
        }
        assert!(Tags::parse(&format!("\"{}\"", "a".repeat(BYTES))).is_err());
    }

    #[test]
    fn preconditions_hold_or_not() {
        let check = |matches: Option<&str>, none_match: Option<&str>, expect: bool| {
            let precondition = Precondition::parse(matches, none_match).unwrap();
            assert_eq!(precondition.check(3).is_ok(), expect, "{precondition:?}");
        };
        check(None, None, true);
        check(Some("W/\"3\""), None, true);
        check(Some("W/\"2\""), None, false);
        check(Some("W/\"2\", W/\"3\""), None, true);
        check(Some("*"), None, true);
        check(None, Some("*"), false);
        check(None, Some("W/\"3\""), false);
        check(None, Some("W/\"4\""), true);
        check(Some("W/\"3\""), Some("W/\"3\""), false);
    }
}
