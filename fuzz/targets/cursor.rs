//! Cursors: what is accepted is of this query and not too old, and what is written of it reads back.

#![no_main]

use std::time::Duration;

use gatehouse::clock::Timestamp;
use gatehouse::scim::cursor::{Cursor, LIFE_SECONDS};
use gatehouse_fuzz::choice;
use libfuzzer_sys::fuzz_target;

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = choice(input) else {
        return;
    };
    let count = i64::from(choice % 4) * 10;
    let cursor = match Cursor::from_bytes(rest, count, NOW) {
        Ok(cursor) => cursor,
        Err(error) => {
            assert!(error.to_string().len() < 100, "nothing is echoed");
            return;
        }
    };
    assert_eq!(cursor.count, count);
    assert!(
        cursor
            .made_at
            .after(Duration::from_secs(LIFE_SECONDS.into()))
            >= NOW
    );
    match cursor.to_bytes() {
        Ok(bytes) => match Cursor::from_bytes(&bytes, count, NOW) {
            Ok(again) => assert_eq!(again, cursor),
            Err(error) => panic!("{cursor:?}: {error}"),
        },
        Err(error) => panic!("{cursor:?}: {error}"),
    }
});
