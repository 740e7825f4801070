//! JSON as SCIM needs it: strict bytes, bounded depth, no attribute twice.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Invalid, Result};

/// How many objects and arrays may lie within each other.
pub const DEPTH: usize = 32;

/// Reads one JSON text. Refuses a byte-order mark, text after the value, keys that differ only in
/// letter case (names are case-insensitive, RFC 7643 section 2.1), NUL and lone surrogates.
///
/// ```
/// use gatehouse::scim::json;
///
/// assert!(json::parse(br#"{"active": true}"#).is_ok());
/// assert!(json::parse(br#"{"active": true, "ACTIVE": false}"#).is_err());
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("expected UTF-8"))?;
    if text.starts_with('\u{feff}') {
        return Err(malformed("expected JSON without a byte-order mark"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let left = Cell::new(FEW_VALUES.max(bytes.len() / VALUE_BYTES));
    let node = Node {
        depth: 0,
        left: &left,
    };
    let value = node.deserialize(&mut reader).map_err(|error| {
        // Texts of ours carry no input; those of the parser might.
        let words = error.to_string();
        for known in [TOO_DEEP, TOO_MANY, TWICE, NUL] {
            if words.starts_with(known) {
                return malformed(known);
            }
        }
        malformed("expected well-formed JSON")
    })?;
    reader
        .end()
        .map_err(|_| malformed("expected nothing after the JSON value"))?;
    Ok(value)
}

const TOO_DEEP: &str = "expected JSON of at most 32 levels";
const TOO_MANY: &str = "expected JSON of fewer and longer values";
const TWICE: &str = "expected each key of an object once, whatever its letter case";
const NUL: &str = "expected text without NUL characters";

/// A value takes many times the memory of a short text for it, so that a text with more than a few
/// values must be longer by so many bytes for each. Members of a group take 24 for each of theirs.
const FEW_VALUES: usize = 10_000;
const VALUE_BYTES: usize = 12;

/// Up to this many keys a look through the object is cheaper than a set.
const FEW_KEYS: usize = 16;

fn malformed(detail: &str) -> Error {
    Error::invalid(Invalid::Syntax, detail)
}

/// A value that lies `depth` containers deep.
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: usize,
    /// How many values may still come.
    left: &'a Cell<usize>,
}

impl Node<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| D::Error::custom(TOO_MANY))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("expected a finite number"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        if value.contains('\0') {
            return Err(E::custom(NUL));
        }
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        let mut many: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.contains('\0') {
                return Err(A::Error::custom(NUL));
            }
            if object.len() == FEW_KEYS {
                many.extend(object.keys().map(|key: &String| key.to_ascii_lowercase()));
            }
            let twice = if object.len() < FEW_KEYS {
                object
                    .keys()
                    .any(|known: &String| known.eq_ignore_ascii_case(&key))
            } else {
                !many.insert(key.to_ascii_lowercase())
            };
            if twice {
                return Err(A::Error::custom(TWICE));
            }
            let value = entries.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_one_strict_json_value_is_taken() {
        fn check(bytes: &[u8], ok: bool) {
            assert_eq!(
                parse(bytes).is_ok(),
                ok,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        check(br#"{"a": [1, -0, 1.5, "x", null, true]}"#, true);
        check(b" [] ", true);
        // C036
        check(br#"{"active":true,"ACTIVE":false}"#, false);
        check(br#"{"emails":[{"value":"a","Value":"b"}]}"#, false);
        check(br#"{"Operations":[],"operations":[]}"#, false);
        // C045
        check(br#"{"displayName":"\u0000"}"#, false);
        check(br#"{"displayName":"\ud800"}"#, false);
        check(br#"{"displayName":"\ud83d\ude00"}"#, true);
        check(br#"{"a\u0000":1}"#, false);
        // C061
        check(b"1e400", false);
        check(b"9223372036854775808", true);
        // C062
        check(b"\xef\xbb\xbf{}", false);
        check(b"\xff\xfe{\0}\0", false);
        check(b"\"\xff\"", false);
        check(b"{} x", false);
        check(b"{}{}", false);
        check(b"", false);
        check(br#"{ "acve": tre, "#, false);
    }

    // C036
    #[test]
    fn a_repeated_key_is_found_in_a_wide_object() {
        let keys: Vec<String> = (0..40).map(|n| format!("\"k{n}\":0")).collect();
        let wide = keys.join(",");
        assert!(parse(format!("{{{wide}}}").as_bytes()).is_ok());
        for twice in ["K0", "k15", "K16", "k39"] {
            assert!(
                parse(format!("{{{wide},\"{twice}\":0}}").as_bytes()).is_err(),
                "{twice}"
            );
        }
    }

    // Found by fuzzing: the last bit of such a number was lost whenever it was written and read.
    #[test]
    fn a_number_reads_back_as_it_was_written() {
        for text in [
            "208028000000200000000",
            "2.0802800000019998e+20",
            "0.1",
            "1e-308",
        ] {
            let value = parse(text.as_bytes()).unwrap();
            assert_eq!(value.as_f64(), text.parse().ok(), "{text}");
            assert_eq!(
                parse(value.to_string().as_bytes()).unwrap(),
                value,
                "{text}"
            );
        }
    }

    // C048
    #[test]
    fn depth_is_bounded_at_thirty_two() {
        let nest = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nest(DEPTH).as_bytes()).is_ok());
        assert!(parse(nest(DEPTH + 1).as_bytes()).is_err());
        crate::scim::properties::on_a_small_stack(|| {
            assert!(parse("[".repeat(200_000).as_bytes()).is_err());
            assert!(parse("{\"a\":".repeat(200_000).as_bytes()).is_err());
        });
    }

    // C244
    #[test]
    fn a_text_of_tiny_values_alone_is_refused() {
        let list = |value: &str, count| format!("[{}]", vec![value; count].join(","));
        assert!(parse(list("1", FEW_VALUES - 1).as_bytes()).is_ok());
        let error = parse(list("1", 3 * FEW_VALUES).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), TOO_MANY);
        assert!(parse(list("{}", 3 * FEW_VALUES).as_bytes()).is_err());
        let member = r#"{"value":"01a210d2-6dff-7451-9e7a-62931b011c62"}"#;
        assert!(parse(list(member, 3 * FEW_VALUES).as_bytes()).is_ok());
        let member = r#"{"value":"01a210d2-6dff-7451-9e7a-62931b011c62","display":"","type":""}"#;
        assert!(parse(list(member, 3 * FEW_VALUES).as_bytes()).is_ok());
    }

    #[test]
    fn messages_never_echo_the_input() {
        let error = parse(br#"{"secret":1,"SECRET":hunter2}"#)
            .unwrap_err()
            .to_string();
        assert!(
            !error.to_lowercase().contains("secret") && !error.contains("hunter2"),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(crate::scim::properties::cases(500))]

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes);
        }
    }
}
