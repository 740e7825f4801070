//! The names that open a member's login, each with a count of its sources.

use super::error::Result;
use super::tx::Tx;
use crate::ids::{MemberId, WorkspaceId};

/// Takes a name for a member; false when another member has it.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
    member: MemberId,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO login_names (workspace, key, member, sources) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (workspace, key) DO UPDATE SET sources = login_names.sources + 1 \
             WHERE login_names.member = excluded.member",
        )
        .bind(workspace)
        .bind(key.to_owned())
        .bind(member)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives up one source of a name; the last one frees it.
pub async fn delete(
    tx: &mut Tx,
    workspace: WorkspaceId,
    key: &str,
    member: MemberId,
) -> Result<()> {
    let freed = tx
        .query(
            "DELETE FROM login_names WHERE workspace = $1 AND key = $2 AND member = $3 \
             AND sources = 1",
        )
        .bind(workspace)
        .bind(key.to_owned())
        .bind(member)
        .execute()
        .await?;
    if freed == 0 {
        tx.query(
            "UPDATE login_names SET sources = sources - 1 \
             WHERE workspace = $1 AND key = $2 AND member = $3",
        )
        .bind(workspace)
        .bind(key.to_owned())
        .bind(member)
        .execute()
        .await?;
    }
    Ok(())
}
