//! What people and files bring outside of SCIM: tables of members, fields, domains, documents. It is
//! taken or refused without a panic, and what was taken is taken again as it was shown.

#![no_main]

use gatehouse::admission::import::{self, Format, MOST};
use gatehouse::configuration::Configuration;
use gatehouse::workspace::domains;
use gatehouse::workspace::profile::{Edit, Line, Say};
use gatehouse_fuzz::choice;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = choice(input) else {
        return;
    };
    match choice % 5 {
        0 => table(rest, Format::Csv),
        1 => table(rest, Format::Json),
        other => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            match other {
                2 => domain(text),
                3 => fields(text),
                _ => document(text),
            }
        }
    }
});

fn table(bytes: &[u8], format: Format) {
    if let Ok(count) = import::count(bytes, format) {
        assert!((1..=MOST).contains(&count));
    }
}

fn domain(text: &str) {
    if let Ok(name) = domains::checked(text) {
        assert!(
            name.is_ascii() && name.contains('.') && name.len() <= 200,
            "{name:?}"
        );
        let again = domains::checked(&name);
        assert_eq!(again.as_ref().ok(), Some(&name), "{text:?}");
    }
}

fn fields(text: &str) {
    let say = || Say::Set(text.to_owned());
    for edit in [
        Edit {
            email: say(),
            ..Edit::default()
        },
        Edit {
            display_name: say(),
            ..Edit::default()
        },
        Edit {
            user_id: say(),
            ..Edit::default()
        },
        Edit {
            phone: say(),
            ..Edit::default()
        },
        Edit {
            language: say(),
            ..Edit::default()
        },
        Edit {
            time_zone: say(),
            ..Edit::default()
        },
        Edit {
            picture: say(),
            ..Edit::default()
        },
        Edit {
            line: Say::Set(Line::Numbered {
                number: Some(text.to_owned()),
            }),
            ..Edit::default()
        },
    ] {
        if let Ok(taken) = edit.checked() {
            let again = taken.clone().checked();
            assert!(again.is_ok_and(|again| again == taken), "{text:?}");
        }
    }
}

fn document(text: &str) {
    if let Ok(document) = toml::from_str::<Configuration>(text) {
        let shown = toml::to_string(&document).expect("what was read can be written");
        let again = toml::from_str::<Configuration>(&shown).expect("what was written can be read");
        assert_eq!(toml::to_string(&again).as_ref(), Ok(&shown), "{text:?}");
    }
}
