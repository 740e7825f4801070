//! Pages of members that a filter selects, in the order of their making.

use super::error::Result;
use super::filter_sql::{Bind, Condition, FIRST};
use super::members::{COLUMNS, Member};
use super::search::in_id_order;
use super::tx::{Query, Tx};
use crate::ids::{MemberId, WorkspaceId};

/// Which members of a workspace.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Those that it holds for; all if there is none.
    pub condition: Option<&'a Condition>,
    /// Whether those who are removed are among them.
    pub with_removed: bool,
}

impl Selection<'_> {
    /// The conditions, whose first two placeholders are [`Self::bound`].
    fn sql(&self) -> String {
        let base = "u.workspace = $1 AND u.status <> $2";
        match self.condition {
            Some(condition) => format!("{base} AND ({})", condition.sql()),
            None => base.to_owned(),
        }
    }

    fn bound<'t>(&self, tx: &'t mut Tx, sql: String) -> Query<'t> {
        let left_out = if self.with_removed { "" } else { "removed" };
        let query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(self.workspace)
            .bind(left_out.to_owned());
        let binds = self.condition.map_or(&[][..], Condition::binds);
        binds
            .iter()
            .cloned()
            .fold(query, |query, bind| bind.to(query))
    }

    fn next_placeholder(&self) -> usize {
        FIRST
            + self
                .condition
                .map_or(0, |condition| condition.binds().len())
    }
}

/// A page of what a selection selects, after a member.
pub async fn list(
    tx: &mut Tx,
    selection: Selection<'_>,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Member>> {
    let next = selection.next_placeholder();
    let sql = format!("{COLUMNS} u WHERE {} AND u.id > ${next}", selection.sql());
    let is_narrow = selection.condition.is_some_and(|it| it.is_narrow);
    let (sql, order) = in_id_order(tx, sql, is_narrow);
    let sql = format!("{sql} ORDER BY {order} LIMIT ${}", next + 1);
    let after = Bind::Id(after.map_or(uuid::Uuid::nil(), |id| id.0));
    let query = selection.bound(tx, sql);
    Bind::Integer(most).to(after.to(query)).fetch_all().await
}

/// How many a selection selects.
pub async fn count(tx: &mut Tx, selection: Selection<'_>) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(*) AS total FROM members u WHERE {}",
        selection.sql()
    );
    let row: (i64,) = selection.bound(tx, sql).fetch_one().await?;
    Ok(row.0)
}
