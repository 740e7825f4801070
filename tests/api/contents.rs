//! All that a database holds, to see that an act which failed changed none of it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gatehouse::store::error::DbError;
use gatehouse::store::tables::{self, Cell};

use crate::gateway::Gateway;

/// How many rows each table has, and what they come to.
pub(crate) type Contents = BTreeMap<String, (u64, u64)>;

impl Gateway {
    /// What all tables hold, but for what belongs to processes or passes. Two that are equal hold
    /// the same rows; the clock must stand still, since times of use are among them.
    pub(crate) async fn contents(&self) -> Contents {
        let mut tx = self.app.db.read().await.expect("read");
        let mut contents = Contents::new();
        for table in tables::list(&mut tx).await.expect("listed") {
            let mut hasher = DefaultHasher::new();
            let take = |cells: Vec<Cell>| {
                for cell in &cells {
                    std::mem::discriminant(cell).hash(&mut hasher);
                    match cell {
                        Cell::Null => {}
                        Cell::Uuid(id) => id.hash(&mut hasher),
                        Cell::Bytea(bytes) => bytes.hash(&mut hasher),
                        Cell::Bigint(number) => number.hash(&mut hasher),
                        Cell::Text(text) => text.hash(&mut hasher),
                        Cell::Boolean(is) => is.hash(&mut hasher),
                    }
                }
                Ok::<_, DbError>(())
            };
            let rows = tables::each_row(&mut tx, &table, take).await;
            let rows = rows.expect("read");
            contents.insert(table.name, (rows, hasher.finish()));
        }
        drop(tx);
        for (table, column) in [("imports", "processed"), ("import_rows", "outcome")] {
            let mut hasher = DefaultHasher::new();
            let mut rows = self.texts(table, &format!("CAST({column} AS TEXT)")).await;
            rows.sort();
            rows.hash(&mut hasher);
            contents.insert(table.to_owned(), (rows.len() as u64, hasher.finish()));
        }
        contents
    }
}

/// The tables in which two contents differ.
pub(crate) fn differences(before: &Contents, after: &Contents) -> Vec<String> {
    let differ = before
        .iter()
        .filter(|(table, rows)| after.get(*table) != Some(rows));
    differ.map(|(table, _)| table.clone()).collect()
}
