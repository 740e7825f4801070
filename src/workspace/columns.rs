//! The columns of a table of members, and how their values are written in a cell. An export writes
//! what an import reads.

/// A column that an import reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The member's id, where it is known.
    Id,
    /// The address.
    Email,
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// The name for people.
    DisplayName,
    /// The `UserID`.
    UserId,
    /// Roles, by name or id.
    Roles,
    /// Permissions.
    Permissions,
    /// Teams, by name or id.
    Teams,
    /// The language.
    Language,
    /// The time zone.
    TimeZone,
    /// The phone number.
    Phone,
    /// `numberless`, `numbered` or a number.
    Line,
    /// The line's number.
    LineNumber,
    /// Whom the member reports to: an address, a `UserID` or an id.
    Manager,
    /// The address of a picture.
    Picture,
    /// Whether one who left is brought back, `yes` or `no`; in no export.
    Revive,
}

impl Column {
    /// Those that an export has, in its order.
    pub const ALL: [Self; 16] = [
        Self::Id,
        Self::Email,
        Self::FirstName,
        Self::LastName,
        Self::DisplayName,
        Self::UserId,
        Self::Roles,
        Self::Permissions,
        Self::Teams,
        Self::Language,
        Self::TimeZone,
        Self::Phone,
        Self::Line,
        Self::LineNumber,
        Self::Manager,
        Self::Picture,
    ];

    /// Its name in the first line of a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Email => "email",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::DisplayName => "displayName",
            Self::UserId => "userId",
            Self::Roles => "roles",
            Self::Permissions => "permissions",
            Self::Teams => "teams",
            Self::Language => "language",
            Self::TimeZone => "timeZone",
            Self::Phone => "phone",
            Self::Line => "line",
            Self::LineNumber => "lineNumber",
            Self::Manager => "manager",
            Self::Picture => "picture",
            Self::Revive => "revive",
        }
    }

    /// What a name stands for, whatever its case and whatever lies between its words.
    pub fn named(name: &str) -> Named {
        let letters = name.chars().filter(|char| char.is_alphanumeric());
        let plain: String = letters.flat_map(char::to_lowercase).collect();
        let known = match plain.as_str() {
            "id" | "memberid" => Self::Id,
            "email" | "emailaddress" | "mail" => Self::Email,
            "firstname" | "givenname" => Self::FirstName,
            "lastname" | "familyname" | "surname" => Self::LastName,
            "displayname" | "name" => Self::DisplayName,
            "userid" => Self::UserId,
            "roles" | "role" => Self::Roles,
            "permissions" | "permission" | "extrapermissions" => Self::Permissions,
            "teams" | "team" => Self::Teams,
            "language" => Self::Language,
            "timezone" => Self::TimeZone,
            "phone" | "phonenumber" => Self::Phone,
            "line" => Self::Line,
            "linenumber" => Self::LineNumber,
            "manager" | "reportingto" | "reportsto" => Self::Manager,
            "picture" => Self::Picture,
            "revive" => Self::Revive,
            // What an export tells besides.
            "username" | "status" | "source" | "createdat" | "invitedat" | "activatedat"
            | "suspendedat" => return Named::Told,
            _ => return Named::Unknown,
        };
        Named::Column(known)
    }
}

/// What the name of a column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// One that is read.
    Column(Column),
    /// One that an export has and an import passes over.
    Told,
    /// None that is known.
    Unknown,
}

/// What a spreadsheet would take for a formula if a cell began with it.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A text as a cell holds it: before what a spreadsheet would take for a formula stands a `'`.
#[must_use]
pub fn guarded(text: &str) -> String {
    if is_formula(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The text of a cell that [`guarded`] made, or somebody wrote.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// So does one that begins with `'` before that: it would else be taken for a guarded one.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// Several names in a cell, with `;` between; a `;` of a name stands behind a `\`.
#[must_use]
pub fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names = names
        .into_iter()
        .map(|name| name.replace('\\', "\\\\").replace(';', "\\;"));
    names.collect::<Vec<_>>().join("; ")
}

/// The names in a cell that [`joined`] made, or somebody wrote; empty ones left out.
#[must_use]
pub fn split(cell: &str) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), String::new());
    let mut chars = cell.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ';' => names.push(std::mem::take(&mut name)),
            '\\' => match chars.next_if(|next| matches!(next, ';' | '\\')) {
                Some(escaped) => name.push(escaped),
                None => name.push(char),
            },
            other => name.push(other),
        }
    }
    names.push(name);
    let names = names.into_iter().map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Column, Named, guarded, joined, split, unguarded};

    // C208
    #[test]
    fn no_cell_is_a_formula_and_each_reads_back() {
        for text in [
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "'=x",
            "''+x",
        ] {
            let cell = guarded(text);
            assert!(cell.starts_with('\''), "{cell:?}");
            assert_eq!(unguarded(&cell), text);
        }
        for text in ["Ada", "O'Hara", "'Ada'", "a=b", "", "'"] {
            assert_eq!(guarded(text), text);
            assert_eq!(unguarded(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_guarded_text_reads_back(text in "['=+@\\-\t\ra-c;\\\\ ]{0,6}") {
            let cell = guarded(&text);
            prop_assert_eq!(unguarded(&cell), text);
        }

        #[test]
        fn names_in_a_cell_read_back(names in proptest::collection::vec("[a-c;\\\\]{1,4}", 0..4)) {
            prop_assert_eq!(split(&joined(&names)), names);
        }
    }

    #[test]
    fn columns_are_known_by_any_usual_name() {
        for column in Column::ALL {
            assert_eq!(Column::named(column.name()), Named::Column(column));
        }
        for (name, column) in [
            ("First name", Column::FirstName),
            ("given_name", Column::FirstName),
            ("E-MAIL", Column::Email),
            ("Reporting To", Column::Manager),
            ("User ID", Column::UserId),
        ] {
            assert_eq!(Column::named(name), Named::Column(column));
        }
        assert_eq!(Column::named("status"), Named::Told);
        assert_eq!(Column::named("shoe size"), Named::Unknown);
    }
}
