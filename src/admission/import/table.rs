//! Tables of members as they come in: CSV as spreadsheets write it, or JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Invalid, Result};
use crate::scim::{fold, json};
use crate::workspace::columns::{Column, Named, split, unguarded};

/// How many rows an import may have.
pub const MOST: usize = 10_000;
/// How long the text of a cell may be, in bytes.
const CELL: usize = 65_536;
/// How many names a cell may have.
const NAMES: usize = 1_000;

/// What a table is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), or with `;` or a tab between.
    Csv,
    /// A list of objects, or an object that has it as `members`.
    Json,
}

/// What a row says; nothing where its cell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) permissions: Vec<String>,
    pub(super) teams: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) line: Option<String>,
    pub(super) line_number: Option<String>,
    pub(super) manager: Option<String>,
    pub(super) picture: Option<String>,
    /// Whether the member is brought back if it left; as the whole import has it if nothing is said.
    pub(super) revive: Option<bool>,
    /// The row of the manager, if the table has it.
    pub(super) above: Option<i64>,
    /// What is wrong with the row as it stands.
    pub(super) fault: Option<Fault>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    /// The column, where it is one.
    pub(super) field: Option<String>,
    /// What was expected.
    pub(super) problem: String,
}

impl Row {
    /// Notes what is wrong, unless something is already.
    pub(super) fn refuse(&mut self, field: Option<&str>, problem: impl Into<String>) {
        self.fault.get_or_insert_with(|| Fault {
            field: field.map(str::to_owned),
            problem: problem.into(),
        });
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts a cell in its place.
    fn fill(&mut self, column: Column, text: &str) {
        let text = text.trim();
        if text.contains('\0') || text.len() > CELL {
            let problem = format!("expected text without NUL, of at most {CELL} bytes");
            self.refuse(Some(column.name()), problem);
            return;
        }
        if text.is_empty() {
            return;
        }
        let list = match column {
            Column::Revive => {
                self.revive = match fold::key(text).as_str() {
                    "yes" | "true" => Some(true),
                    "no" | "false" => Some(false),
                    _ => {
                        self.refuse(Some(column.name()), "expected yes or no");
                        None
                    }
                };
                return;
            }
            Column::Roles => &mut self.roles,
            Column::Permissions => &mut self.permissions,
            Column::Teams => &mut self.teams,
            _ => {
                *self.text(column) = Some(text.to_owned());
                return;
            }
        };
        list.extend(split(text));
        self.bound(column);
    }

    fn bound(&mut self, column: Column) {
        let lists = [&self.roles, &self.permissions, &self.teams];
        if lists.iter().any(|list| list.len() > NAMES) {
            self.refuse(
                Some(column.name()),
                format!("expected at most {NAMES} names"),
            );
        }
    }

    /// The place of a column that holds one text.
    fn text(&mut self, column: Column) -> &mut Option<String> {
        match column {
            Column::Id => &mut self.id,
            Column::Email => &mut self.email,
            Column::FirstName => &mut self.first_name,
            Column::LastName => &mut self.last_name,
            Column::UserId => &mut self.user_id,
            Column::Language => &mut self.language,
            Column::TimeZone => &mut self.time_zone,
            Column::Phone => &mut self.phone,
            Column::Line => &mut self.line,
            Column::LineNumber => &mut self.line_number,
            Column::Manager => &mut self.manager,
            Column::Picture => &mut self.picture,
            Column::DisplayName
            | Column::Roles
            | Column::Permissions
            | Column::Teams
            | Column::Revive => &mut self.display_name,
        }
    }
}

/// Reads a table. What is wrong with one row is that row's fault; what is wrong with all of it is
/// an error.
pub(super) fn read(bytes: &[u8], format: Format) -> Result<Vec<Row>> {
    let rows = match format {
        Format::Csv => read_csv(bytes)?,
        Format::Json => read_json(bytes)?,
    };
    if rows.is_empty() {
        return Err(Error::value("the table has no rows"));
    }
    Ok(rows)
}

/// How many rows a table has.
pub fn count(bytes: &[u8], format: Format) -> Result<usize> {
    Ok(read(bytes, format)?.len())
}

fn too_many() -> Error {
    Error::invalid(
        Invalid::TooMany,
        format!("an import has at most {MOST} rows"),
    )
}

fn read_csv(bytes: &[u8]) -> Result<Vec<Row>> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let detail = "the table is not in UTF-8; save it as \"CSV UTF-8\"";
        Error::invalid(Invalid::Syntax, detail)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator(text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let (mut columns, mut rows) = (None, Vec::new());
    for record in reader.records() {
        let record = record.map_err(|_| {
            let detail = "the table is no well-formed CSV";
            Error::invalid(Invalid::Syntax, detail)
        })?;
        let Some(columns) = &columns else {
            columns = Some(header(record.iter())?);
            continue;
        };
        let row = csv_row(columns, &record);
        if row.is_empty() {
            continue;
        }
        if rows.len() == MOST {
            return Err(too_many());
        }
        rows.push(row);
    }
    Ok(rows)
}

fn csv_row(columns: &[Option<Column>], record: &csv::StringRecord) -> Row {
    let mut row = Row::default();
    for (at, cell) in record.iter().enumerate() {
        match columns.get(at) {
            Some(Some(column)) => row.fill(*column, unguarded(cell)),
            Some(None) => {}
            None if cell.trim().is_empty() => {}
            None => row.refuse(None, "expected no more cells than there are columns"),
        }
    }
    row
}

/// What stands between the cells of the first line: where it is quoted it does not count.
fn separator(text: &str) -> u8 {
    let (mut counts, mut is_quoted) = ([(b',', 0), (b';', 0), (b'\t', 0)], false);
    for byte in text.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                for (separator, count) in &mut counts {
                    *count += usize::from(byte == *separator);
                }
            }
        }
    }
    // Of several that are as frequent the first one.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(separator, _)| *separator)
}

/// The columns that the first line names.
fn header<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Option<Column>>> {
    let mut columns: Vec<Option<Column>> = Vec::new();
    for name in names {
        // What has no name has nothing below it that anybody could want.
        let meant = if name.trim().is_empty() {
            Named::Told
        } else {
            Column::named(name)
        };
        let column = match meant {
            Named::Column(column) => Some(column),
            Named::Told => None,
            Named::Unknown => return Err(unknown(name)),
        };
        if column.is_some() && columns.contains(&column) {
            return Err(Error::value(format!("the column {name:?} is there twice")));
        }
        columns.push(column);
    }
    if columns.iter().all(Option::is_none) {
        return Err(Error::value("the first line must name the columns"));
    }
    Ok(columns)
}

fn unknown(name: &str) -> Error {
    let known = Column::ALL.into_iter().chain([Column::Revive]);
    let known = known.map(Column::name).collect::<Vec<_>>().join(", ");
    let name: String = name.chars().take(100).collect();
    Error::value(format!("unknown column {name:?}, expected some of {known}"))
}

fn read_json(bytes: &[u8]) -> Result<Vec<Row>> {
    let list = match json::parse(bytes)? {
        Value::Array(list) => list,
        Value::Object(mut object) => match (object.remove("members"), object.len()) {
            (Some(Value::Array(list)), 0) => list,
            _ => {
                return Err(Error::value(
                    "members must be a list, and nothing beside it",
                ));
            }
        },
        _ => {
            return Err(Error::value(
                "a list of members is expected, or an object with it",
            ));
        }
    };
    if list.len() > MOST {
        return Err(too_many());
    }
    // Names are looked up once: rows repeat them.
    let mut known = BTreeMap::new();
    list.into_iter()
        .map(|value| json_row(value, &mut known))
        .collect()
}

fn json_row(value: Value, known: &mut BTreeMap<String, Named>) -> Result<Row> {
    let Value::Object(object) = value else {
        return Err(Error::value("each member must be an object"));
    };
    let (mut row, mut seen) = (Row::default(), Vec::new());
    for (name, value) in object {
        let named = *known
            .entry(name.clone())
            .or_insert_with(|| Column::named(&name));
        let column = match named {
            Named::Column(column) => column,
            Named::Told => continue,
            Named::Unknown => return Err(unknown(&name)),
        };
        if seen.contains(&column) {
            row.refuse(Some(column.name()), "expected this once");
        }
        seen.push(column);
        take(&mut row, column, value);
    }
    Ok(row)
}

/// Puts a JSON value in the place of its column.
fn take(row: &mut Row, column: Column, value: Value) {
    let is_list = matches!(column, Column::Roles | Column::Permissions | Column::Teams);
    match value {
        Value::Null => {}
        Value::String(text) => row.fill(column, &text),
        Value::Number(number) => row.fill(column, &number.to_string()),
        Value::Bool(said) if column == Column::Revive => row.fill(column, &said.to_string()),
        Value::Array(list) if is_list => {
            for value in list {
                match value {
                    Value::String(name) if !name.trim().is_empty() && name.len() <= CELL => {
                        let place = match column {
                            Column::Roles => &mut row.roles,
                            Column::Permissions => &mut row.permissions,
                            _ => &mut row.teams,
                        };
                        place.push(name.trim().to_owned());
                    }
                    _ => row.refuse(Some(column.name()), "expected a list of names"),
                }
            }
            row.bound(column);
        }
        // As a member shows its line.
        Value::Object(mut line) if column == Column::Line => {
            let (kind, number) = (line.remove("kind"), line.remove("number"));
            match (kind, number, line.len()) {
                (Some(Value::String(kind)), None, 0) => row.fill(Column::Line, &kind),
                (Some(Value::String(kind)), Some(Value::String(number)), 0) => {
                    row.fill(Column::Line, &kind);
                    row.fill(Column::LineNumber, &number);
                }
                _ => row.refuse(Some("line"), "expected kind, and number where it has one"),
            }
        }
        _ => row.refuse(Some(column.name()), "expected text"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Row, read};

    fn csv(text: &str) -> Vec<Row> {
        read(text.as_bytes(), Format::Csv).unwrap()
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let plain = csv("email,First name,teams\nada@acme.example,Ada,Support;Sales\n");
        for text in [
            "\u{feff}email;first_name;Teams\r\nada@acme.example;Ada;\"Support;Sales\"\r\n",
            "Email\tFIRSTNAME\tteam\nada@acme.example\t Ada \tSupport; Sales;\n\n\t\t\n",
            "\"e-mail\",\"First Name\",\"Teams\",\"status\"\n\"ada@acme.example\",\"Ada\",\"Support;Sales\",\"active\"",
        ] {
            assert_eq!(csv(text), plain, "{text}");
        }
        let row = &csv("email,displayName,phone\na@b.example,\"Ada\n\"\"Countess\"\"\",'+1")[0];
        assert_eq!(row.display_name.as_deref(), Some("Ada\n\"Countess\""));
        assert_eq!(row.phone.as_deref(), Some("+1"));
        let long = &csv("email\na@b.example,more")[0];
        assert!(long.fault.is_some());
    }

    #[test]
    fn json_says_the_same() {
        let rows = |text: &str| read(text.as_bytes(), Format::Json).unwrap();
        let table = csv("email,firstName,teams,line,lineNumber\na@b.example,Ada,S;T,numbered,+1\n");
        let list = r#"[{"email": "a@b.example", "first_name": "Ada", "teams": ["S", "T"],
            "line": {"kind": "numbered", "number": "+1"}, "manager": null}]"#;
        assert_eq!(rows(list), table);
        assert_eq!(rows(&format!("{{\"members\": {list}}}")), table);
        let fault = rows(r#"[{"email": ["a@b.example"]}]"#).remove(0).fault;
        assert_eq!(fault.unwrap().field.as_deref(), Some("email"));
    }

    #[test]
    fn what_is_no_table_is_refused_with_the_reason() {
        for (bytes, format, reason) in [
            (&b"email\nj\xe4n@acme.example\n"[..], Format::Csv, "UTF-8"),
            (b"email,shoe size\na,b\n", Format::Csv, "shoe size"),
            (b"email,E-Mail\na,b\n", Format::Csv, "twice"),
            (b"email\n", Format::Csv, "no rows"),
            (b"", Format::Csv, "no rows"),
            (b",\na,b\n", Format::Csv, "first line"),
            (b"[{\"shoe\": 1}]", Format::Json, "shoe"),
            (b"{\"users\": []}", Format::Json, "members"),
            (b"[1]", Format::Json, "object"),
            (b"[", Format::Json, "JSON"),
        ] {
            let refused = read(bytes, format).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        let many = format!("email\n{}", "a\n".repeat(10_001));
        let refused = read(many.as_bytes(), Format::Csv).unwrap_err().to_string();
        assert!(refused.contains("10000 rows"), "{refused}");
    }
}
