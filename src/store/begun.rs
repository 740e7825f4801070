//! Transactions on connections of the stock. The library's own count how deep they are nested and
//! believe that count: `SQLite` ends a transaction by itself when the disk fails, and a connection
//! that is thought to be inside of one would be broken, or show an old state, for as long as it is
//! kept. And one that is dropped keeps its place for as long as a server is silent.

use std::ops::{Deref, DerefMut};

use futures_util::future::BoxFuture;
use sqlx::{Database, Postgres, SqlSafeStr, SqlStr, Sqlite};

use super::error::Result;
use super::stock::{Kept, RETURN, on_the_way_back};

/// An engine that is told where transactions begin and end.
pub(super) trait Told: Database {
    fn tell(
        conn: &mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'_, sqlx::Result<Self::QueryResult>>;
}

impl Told for Sqlite {
    fn tell(
        conn: &mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'_, sqlx::Result<Self::QueryResult>> {
        Box::pin(sqlx::raw_sql(sql).execute(conn))
    }
}

impl Told for Postgres {
    fn tell(
        conn: &mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'_, sqlx::Result<Self::QueryResult>> {
        Box::pin(sqlx::raw_sql(sql).execute(conn))
    }
}

/// A transaction that has begun.
pub(super) struct Begun<DB: Told> {
    /// There until the drop, and sound once the transaction is over.
    kept: Option<Kept<DB>>,
}

impl<DB: Told> Begun<DB> {
    /// A transaction that begins with that statement.
    pub(super) async fn begin(kept: Kept<DB>, statement: impl SqlSafeStr) -> Result<Self> {
        let mut begun = Self { kept: Some(kept) };
        *begun.parts().1 = false;
        DB::tell(&mut begun, statement.into_sql_str()).await?;
        Ok(begun)
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        DB::tell(&mut self, "COMMIT".into_sql_str()).await?;
        *self.parts().1 = true;
        Ok(())
    }

    fn parts(&mut self) -> (&mut DB::Connection, &mut bool) {
        let kept = self.kept.as_mut();
        kept.expect("it is there until the drop").parts()
    }
}

impl<DB: Told> Deref for Begun<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        let kept = self.kept.as_ref();
        kept.expect("it is there until the drop").conn()
    }
}

impl<DB: Told> DerefMut for Begun<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.parts().0
    }
}

impl<DB: Told> Drop for Begun<DB> {
    fn drop(&mut self) {
        let Some(mut kept) = self.kept.take() else {
            return;
        };
        if *kept.parts().1 {
            return;
        }
        on_the_way_back(async move {
            let (conn, is_sound) = kept.parts();
            let undone = DB::tell(conn, "ROLLBACK".into_sql_str());
            *is_sound = matches!(tokio::time::timeout(RETURN, undone).await, Ok(Ok(_)));
            if !*is_sound {
                kept.discard();
            }
        });
    }
}
