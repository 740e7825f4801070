//! The form of a file: lines of JSON. A header; then for each table its columns, a line for each
//! row and an end with count and checksum; at last the count and checksum of it all.

use std::io::{BufRead, BufReader, Read, Write};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Failure;
use crate::changes::receipts::Receipt;
use crate::clock::Timestamp;
use crate::secrets::{Digest, Keyring};
use crate::store::migrate::Applied;
use crate::store::tables::{Cell, Kind};

/// What the first line says that the file is.
const NAME: &str = "gatehouse backup";
/// The form that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// The longest line; a row is far shorter.
const LINE: u64 = 64 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    file: String,
    format: u32,
    /// The version of the program that made it.
    pub made_by: String,
    /// When its instant was.
    pub made_at: Timestamp,
    /// The id of the master key that it needs.
    pub key: String,
    /// The steps of its schema: number and checksum.
    schema: Vec<(i64, String)>,
    /// The end of each workspace's log of changes.
    pub receipts: Vec<Receipt>,
}

impl Header {
    pub(super) fn new(
        made_at: Timestamp,
        keys: &Keyring,
        schema: &[Applied],
        receipts: Vec<Receipt>,
    ) -> Self {
        let steps = schema
            .iter()
            .map(|step| (step.version, HEXLOWER.encode(&step.checksum)));
        Self {
            file: NAME.to_owned(),
            format: FORMAT,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            key: keys.id(),
            schema: steps.collect(),
            receipts,
        }
    }

    /// The version of its schema.
    pub fn version(&self) -> i64 {
        self.schema.last().map_or(0, |step| step.0)
    }

    /// The first step of its schema that is not among these: none of that number, or another.
    pub(super) fn unknown_step(&self, known: &[Applied]) -> Option<(i64, bool)> {
        self.schema.iter().find_map(|(version, checksum)| {
            let step = known.iter().find(|step| step.version == *version);
            let is_same = step.is_some_and(|step| HEXLOWER.encode(&step.checksum) == *checksum);
            (!is_same).then_some((*version, step.is_some()))
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Table {
        name: String,
        columns: Vec<(String, Kind)>,
    },
    End {
        rows: u64,
        sha256: String,
    },
    Complete {
        tables: u64,
        rows: u64,
        sha256: String,
    },
}

/// Writes a file line by line.
pub(super) struct Writer<W> {
    out: W,
    all: Digest,
    table: Digest,
    tables: u64,
    rows: u64,
    rows_of_table: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, header: &Header) -> Result<Self, Failure> {
        let mut writer = Self {
            out,
            all: Digest::new(),
            table: Digest::new(),
            tables: 0,
            rows: 0,
            rows_of_table: 0,
        };
        writer.line(&line_of(header)?)?;
        Ok(writer)
    }

    pub(super) fn table(&mut self, name: &str, columns: &[(String, Kind)]) -> Result<(), Failure> {
        (self.table, self.rows_of_table) = (Digest::new(), 0);
        self.line(&line_of(&Mark::Table {
            name: name.to_owned(),
            columns: columns.to_vec(),
        })?)
    }

    /// Writes a row; tells how many the table has so far.
    pub(super) fn row(&mut self, cells: Vec<Cell>) -> Result<u64, Failure> {
        let values: Vec<Value> = cells.into_iter().map(value).collect();
        let line = line_of(&values)?;
        self.table.update(&line);
        self.line(&line)?;
        self.rows_of_table += 1;
        Ok(self.rows_of_table)
    }

    pub(super) fn end_table(&mut self) -> Result<(), Failure> {
        self.tables += 1;
        self.rows += self.rows_of_table;
        let table = std::mem::take(&mut self.table);
        self.line(&line_of(&Mark::End {
            rows: self.rows_of_table,
            sha256: table.hex(),
        })?)
    }

    /// Ends the file; gives what it was written to, with counts of tables and rows and the checksum.
    pub(super) fn complete(mut self) -> Result<(W, u64, u64, String), Failure> {
        let sha256 = self.all.hex();
        let line = line_of(&Mark::Complete {
            tables: self.tables,
            rows: self.rows,
            sha256: sha256.clone(),
        })?;
        self.out.write_all(&line)?;
        Ok((self.out, self.tables, self.rows, sha256))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.all.update(line);
        Ok(self.out.write_all(line)?)
    }
}

/// What a file says next.
pub(super) enum Item {
    /// Rows of that table follow.
    Table(String, Vec<(String, Kind)>),
    /// A row of the table before.
    Row(Vec<Cell>),
    /// The table is whole.
    EndTable,
    /// All of it is whole: so many tables and rows, with that checksum.
    Complete(u64, u64, String),
}

/// Reads a file line by line, and checks what it sums up.
pub(super) struct Reader<R> {
    input: BufReader<R>,
    /// The first line.
    pub(super) header: Header,
    columns: Vec<(String, Kind)>,
    line: Vec<u8>,
    at: u64,
    all: Digest,
    table: Digest,
    tables: u64,
    rows: u64,
    rows_of_table: u64,
    is_in_table: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(input: R) -> Result<Self, Failure> {
        let mut input = BufReader::with_capacity(256 * 1024, input);
        let mut line = Vec::new();
        (&mut input).take(LINE).read_until(b'\n', &mut line)?;
        let broken = |what: &str| Failure::Broken {
            line: 1,
            what: what.to_owned(),
        };
        let header: Header =
            serde_json::from_slice(&line).map_err(|_| broken("this is no backup"))?;
        if header.file != NAME || header.schema.is_empty() {
            return Err(broken("this is no backup"));
        }
        if header.format > FORMAT {
            return Err(broken("a newer Gatehouse made it, in a form of its own"));
        }
        let mut all = Digest::new();
        all.update(&line);
        Ok(Self {
            input,
            header,
            columns: Vec::new(),
            line,
            at: 1,
            all,
            table: Digest::new(),
            tables: 0,
            rows: 0,
            rows_of_table: 0,
            is_in_table: false,
        })
    }

    pub(super) fn next(&mut self) -> Result<Item, Failure> {
        self.at += 1;
        self.line.clear();
        (&mut self.input)
            .take(LINE)
            .read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Err(self.broken("it breaks off"));
        }
        if self.line.first() == Some(&b'[') {
            return self.row();
        }
        let mark: Mark =
            serde_json::from_slice(&self.line).map_err(|_| self.broken("no line of a backup"))?;
        match mark {
            Mark::Table { name, columns } if !self.is_in_table => {
                self.all.update(&self.line);
                (self.table, self.rows_of_table) = (Digest::new(), 0);
                self.is_in_table = true;
                self.columns.clone_from(&columns);
                Ok(Item::Table(name, columns))
            }
            Mark::End { rows, sha256 } if self.is_in_table => {
                self.all.update(&self.line);
                self.is_in_table = false;
                if rows != self.rows_of_table || std::mem::take(&mut self.table).hex() != sha256 {
                    return Err(self.broken("the rows before are not those that were written"));
                }
                self.tables += 1;
                self.rows += rows;
                Ok(Item::EndTable)
            }
            Mark::Complete {
                tables,
                rows,
                sha256,
            } if !self.is_in_table => {
                let is_whole = tables == self.tables && rows == self.rows;
                if !is_whole || std::mem::take(&mut self.all).hex() != sha256 {
                    return Err(self.broken("the lines before are not those that were written"));
                }
                if !self.input.fill_buf()?.is_empty() {
                    return Err(self.broken("there is more behind its end"));
                }
                Ok(Item::Complete(tables, rows, sha256))
            }
            _ => Err(self.broken("it is not in order")),
        }
    }

    fn row(&mut self) -> Result<Item, Failure> {
        let values: Vec<Value> =
            serde_json::from_slice(&self.line).map_err(|_| self.broken("no row"))?;
        if !self.is_in_table || values.len() != self.columns.len() {
            return Err(self.broken("a row that fits no table"));
        }
        let cells = values.into_iter().zip(&self.columns);
        let cells: Option<Vec<_>> = cells.map(|(value, (_, kind))| cell(value, *kind)).collect();
        let cells = cells.ok_or_else(|| self.broken("a value is of another type"))?;
        self.all.update(&self.line);
        self.table.update(&self.line);
        self.rows_of_table += 1;
        Ok(Item::Row(cells))
    }

    /// How long the line before is, in bytes.
    pub(super) fn length(&self) -> usize {
        self.line.len()
    }

    pub(super) fn broken(&self, what: &str) -> Failure {
        Failure::Broken {
            line: self.at,
            what: what.to_owned(),
        }
    }
}

fn line_of(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Uuid(id) => id.to_string().into(),
        Cell::Bytea(bytes) => BASE64.encode(&bytes).into(),
        Cell::Bigint(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::Boolean(yes) => yes.into(),
    }
}

fn cell(value: Value, kind: Kind) -> Option<Cell> {
    Some(match (kind, value) {
        (_, Value::Null) => Cell::Null,
        (Kind::Uuid, Value::String(text)) => Cell::Uuid(text.parse().ok()?),
        (Kind::Bytea, Value::String(text)) => Cell::Bytea(BASE64.decode(text.as_bytes()).ok()?),
        (Kind::Bigint, Value::Number(number)) => Cell::Bigint(number.as_i64()?),
        (Kind::Text, Value::String(text)) => Cell::Text(text),
        (Kind::Boolean, Value::Bool(yes)) => Cell::Boolean(yes),
        _ => return None,
    })
}
