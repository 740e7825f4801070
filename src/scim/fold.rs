//! Canonical keys for names: two names with one key are the same name everywhere.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result};

/// Rounds after which folding has long settled; two are enough for every assigned character.
const ROUNDS: usize = 8;

/// The key under which a name is compared: NFKC and full case folding until nothing changes.
///
/// Letters that differ only by the dot of an `i` (dotless `ı`, dotted `İ`) share a key, because
/// people cannot tell such names apart. White space is kept.
///
/// ```
/// use gatehouse::scim::fold::key;
///
/// assert_eq!(key("Straße"), key("STRASSE"));
/// assert_eq!(key("e\u{301}"), key("É"));
/// ```
#[must_use]
pub fn key(text: &str) -> String {
    compared(text).into_owned()
}

/// The same, without a copy of text that is its own key.
pub fn compared(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    KEPT.with_borrow_mut(|kept| match kept {
        Some(kept) => Cow::Owned(kept.key(text)),
        None => Cow::Owned(folded(text)),
    })
}

/// Whether two names are the same.
pub fn is_same(left: &str, right: &str) -> bool {
    left == right
        || if left.is_ascii() && right.is_ascii() {
            left.eq_ignore_ascii_case(right)
        } else {
            compared(left) == compared(right)
        }
}

/// Keeps the keys that `work` asks for until it is done: folding long text is dear, and the
/// operations of one request may compare the same values thousands of times (C057).
pub fn keep_keys<T>(work: impl FnOnce() -> T) -> T {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            KEPT.take();
        }
    }
    KEPT.set(Some(Kept::default()));
    let _forget = Forget;
    work()
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Keys by text, up to a size that no honest request comes near.
#[derive(Default)]
struct Kept {
    keys: HashMap<String, String>,
    bytes: usize,
}

impl Kept {
    const MOST: usize = 4 << 20;

    fn key(&mut self, text: &str) -> String {
        if let Some(key) = self.keys.get(text) {
            return key.clone();
        }
        let key = folded(text);
        if self.bytes < Self::MOST {
            self.bytes += text.len() + key.len();
            self.keys.insert(text.to_owned(), key.clone());
        }
        key
    }
}

fn folded(text: &str) -> String {
    let mut folded = fold_once(text);
    for _ in 1..ROUNDS {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

/// Refuses a name that is blank, padded, or holds characters that nobody sees.
pub fn check_name(text: &str, attribute: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::value(format!("{attribute} must not be empty")));
    }
    if text.trim() != text {
        return Err(Error::value(format!(
            "{attribute} must not start or end with white space"
        )));
    }
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(Error::value(format!(
            "{attribute} must not contain control or invisible characters"
        )));
    }
    Ok(())
}

/// Longest key, in bytes: what an index of every database holds.
pub const KEY: usize = 2_000;

/// How much of a key text is put in order by, in bytes.
const ORDER: usize = 256;

/// Refuses text whose key no index could hold; only long text of scripts that take several bytes a
/// character comes that far.
pub fn check_key(key: &str, attribute: &str) -> Result<()> {
    if key.len() > KEY {
        return Err(Error::value(format!("{attribute}: expected shorter text")));
    }
    Ok(())
}

/// As much of a key as text is put in order by.
pub fn order_key(text: &str) -> String {
    let mut key = key(text);
    key.truncate(key.floor_char_boundary(ORDER));
    key
}

fn fold_once(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    let folded = CaseMapper::new().fold_string(&composed);
    let mut plain = String::with_capacity(folded.len());
    for c in folded.nfkc() {
        match c {
            'ı' => plain.push('i'),
            // Full folding turns `İ` into `i` and a dot above, which looks like `i`.
            '\u{307}' if plain.ends_with('i') => {}
            _ => plain.push(c),
        }
    }
    plain.nfkc().collect()
}

/// Default-ignorable, format and blank-looking characters (Unicode `DerivedCoreProperties`).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // C023
    #[test]
    fn names_that_look_or_fold_the_same_share_a_key() {
        fn check(left: &str, right: &str) {
            assert_eq!(key(left), key(right), "{left:?} and {right:?}");
        }
        check("Ada", "aDA");
        check("caf\u{e9}", "cafe\u{301}");
        check("\u{ff41}dmin", "admin");
        check("stra\u{df}e", "STRASSE");
        check("\u{1d2e}\u{1d35}\u{1d33}", "big");
        check("\u{131}d", "id");
        check("\u{130}stanbul", "istanbul");
        check("\u{fb01}n", "fin");
        check("\u{3a3}", "\u{3c2}");
        assert_ne!(key("a"), key("a "), "white space is kept");
    }

    // C023
    #[test]
    fn invisible_and_padded_names_are_refused() {
        for bad in [
            "",
            " ",
            "ada ",
            "\u{a0}ada",
            "a\u{200d}b",
            "a\u{0}b",
            "a\nb",
            "\u{202e}a",
            "a\u{feff}",
            "a\u{ad}b",
        ] {
            assert!(check_name(bad, "userName").is_err(), "{bad:?}");
        }
        for good in ["ada", "Ada Lovelace", "Zoë", "山田", "o'brien@example.com"] {
            assert!(check_name(good, "userName").is_ok(), "{good:?}");
        }
    }

    // C024
    #[test]
    fn every_character_folds_to_a_fixpoint() {
        // Above lie unassigned and private characters, which no mapping touches.
        for c in '\0'..'\u{20000}' {
            let once = key(&format!("x{c}\u{345}i"));
            assert_eq!(key(&once), once, "U+{:04X}", u32::from(c));
        }
    }

    // C024
    proptest! {
        #![proptest_config(crate::scim::properties::cases(3_000))]

        #[test]
        fn folding_is_idempotent(text in any::<Vec<char>>()) {
            let text: String = text.into_iter().collect();
            let once = key(&text);
            prop_assert_eq!(key(&once), once);
        }
    }
}
