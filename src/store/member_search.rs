//! Pages of members that a filter selects, in the order of their making or in another.

use uuid::Uuid;

use super::error::Result;
use super::filter_sql::{Bind, Condition, FIRST, Holders};
use super::members::{COLUMNS, Member};
use super::search::in_id_order;
use super::tx::{Query, Tx};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;

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
        conditions(self.condition.map(Condition::sql))
    }

    /// The same for members after one and up to another; both are placeholders.
    fn sql_within(&self, after: &str, through: &str) -> String {
        let sql = self.condition.map(|it| it.sql_within(after, through));
        let sql = conditions(sql);
        format!("{sql} AND u.id > {after} AND u.id <= {through}")
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

fn conditions(condition: Option<String>) -> String {
    let base = "u.workspace = $1 AND u.status <> $2";
    match condition {
        Some(condition) => format!("{base} AND ({condition})"),
        None => base.to_owned(),
    }
}

/// A page of what a selection selects, after a member. Of those who have a right only so many are
/// gathered as a page needs: first as many as fit, and twice as many each time that it has room left.
pub async fn list(
    tx: &mut Tx,
    selection: Selection<'_>,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Member>> {
    let holders = selection.condition.and_then(|it| it.holders.as_ref());
    let Some(holders) = holders else {
        return list_all(tx, selection, after, most).await;
    };
    let (mut found, mut after, mut stretch) = (Vec::new(), after, most.max(1));
    loop {
        let through = last_holder(tx, (selection.workspace, holders), after, stretch).await?;
        let room = most - i64::try_from(found.len()).unwrap_or(most);
        let next = selection.next_placeholder();
        let (from, to) = (format!("${next}"), format!("${}", next + 1));
        let sql = format!("{COLUMNS} u WHERE {}", selection.sql_within(&from, &to));
        let sql = format!("{sql} ORDER BY u.id LIMIT ${}", next + 2);
        let bounds = [
            Bind::Id(after.map_or(Uuid::nil(), |id| id.0)),
            Bind::Id(through.map_or(Uuid::max(), |id| id.0)),
            Bind::Integer(room),
        ];
        let query = selection.bound(tx, sql);
        let query = bounds.into_iter().fold(query, |query, bind| bind.to(query));
        found.extend(query.fetch_all::<Member>().await?);
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= most);
        if is_full || through.is_none() {
            return Ok(found);
        }
        (after, stretch) = (through, stretch * 2);
    }
}

/// The last one of so many holders after a member; none where there are fewer.
async fn last_holder(
    tx: &mut Tx,
    (workspace, holders): (WorkspaceId, &Holders),
    after: Option<MemberId>,
    stretch: i64,
) -> Result<Option<MemberId>> {
    let sql = format!(
        "SELECT g.member FROM grants g WHERE g.workspace = $1 AND {} AND g.to_at IS NULL \
         AND g.member > $3 ORDER BY g.member LIMIT $4 OFFSET $5",
        holders.grants("$2")
    );
    let query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
    let query = holders.name.clone().to(query);
    let row: Option<(MemberId,)> = query
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(1_i64)
        .bind(stretch - 1)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

async fn list_all(
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
    let after = Bind::Id(after.map_or(Uuid::nil(), |id| id.0));
    let query = selection.bound(tx, sql);
    Bind::Integer(most).to(after.to(query)).fetch_all().await
}

/// By what members are put in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// When they were made.
    #[default]
    Made,
    /// The name for people.
    DisplayName,
    /// The address.
    Email,
    /// How far they are in, by the word for it.
    Status,
}

/// An order of members. Whoever is equal in it comes in the order of their making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: By,
    /// Whether the last comes first.
    pub is_descending: bool,
}

/// A place in an order.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Spot {
    /// What the member there is ordered by; nothing in the order of making.
    pub key: String,
    /// The member.
    pub id: MemberId,
}

impl By {
    /// What the database compares, each the expression of an index.
    fn key(self) -> &'static str {
        match self {
            Self::Made => "''",
            Self::DisplayName => "u.display_key",
            Self::Email => "COALESCE(u.email_key, u.left_email_key, '')",
            Self::Status => "u.status",
        }
    }
}

impl Order {
    /// The place before all members.
    fn begin(self) -> Spot {
        if self.is_descending {
            let key = match self.by {
                // Words are compared as the database's own language has it.
                By::Status => "zzzz".to_owned(),
                // Above whatever key there is: no longer one is taken.
                By::Made | By::DisplayName | By::Email => "\u{10FFFF}".repeat(fold::KEY / 4 + 1),
            };
            let id = MemberId(Uuid::max());
            return Spot { key, id };
        }
        Spot {
            key: String::new(),
            id: MemberId(Uuid::nil()),
        }
    }
}

/// Where a member is in an order; none if there is no such member.
pub async fn find_spot(
    tx: &mut Tx,
    workspace: WorkspaceId,
    order: Order,
    member: MemberId,
) -> Result<Option<Spot>> {
    let sql = format!(
        "SELECT {} AS key, u.id FROM members u WHERE u.workspace = $1 AND u.id = $2",
        order.by.key()
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(member)
        .fetch_optional()
        .await
}

/// A page of what a selection selects in an order, after a place in it.
pub async fn list_in_order(
    tx: &mut Tx,
    selection: Selection<'_>,
    order: Order,
    after: Option<&Spot>,
    most: i64,
) -> Result<Vec<Member>> {
    if order == Order::default() {
        return list(tx, selection, after.map(|spot| spot.id), most).await;
    }
    let next = selection.next_placeholder();
    let (from, direction) = if order.is_descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let after = after.cloned().unwrap_or_else(|| order.begin());
    let (id, most) = (Bind::Id(after.id.0), Bind::Integer(most));
    let base = format!("{COLUMNS} u WHERE {}", selection.sql());
    let (sql, bounds) = if order.by == By::Made {
        let sql = format!(
            "{base} AND u.id {from} ${next} ORDER BY u.id {direction} LIMIT ${}",
            next + 1
        );
        (sql, vec![id, most])
    } else {
        let key = order.by.key();
        // Of a pair that begins with an expression SQLite finds no place in the index.
        let sql = format!(
            "{base} AND {key} {from}= ${next} AND ({key}, u.id) {from} (${next}, ${}) \
             ORDER BY {key} {direction}, u.id {direction} LIMIT ${}",
            next + 1,
            next + 2
        );
        (sql, vec![Bind::Text(after.key), id, most])
    };
    let query = selection.bound(tx, sql);
    let query = bounds.into_iter().fold(query, |query, bind| bind.to(query));
    query.fetch_all().await
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
