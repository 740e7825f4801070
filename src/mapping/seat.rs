//! Why a member takes a seat, waits for one, or needs none.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::store::members::{Member, Status};
use crate::store::seats::{self, SeatRelease};
use crate::store::tx::Tx;

/// How a member stands with the seats of a workspace that has a limit.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct WhySeat {
    /// Whether the member takes a seat, keeps one, waits for one, or needs none.
    pub standing: SeatStanding,
    /// Since when it waits, or keeps its seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many seats there are.
    pub limit: i64,
    /// How many of them are taken.
    pub taken: i64,
    /// Why that is so, and what would change it.
    pub why: String,
}

/// How a member stands with seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatStanding {
    /// It takes one.
    Taken,
    /// It keeps the one that it had, though it is suspended.
    Kept,
    /// It waits for one.
    Waiting,
    /// It needs none.
    None,
}

/// How a member stands with seats; nothing where the workspace has no limit.
pub(super) async fn seat(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: &Member,
) -> Result<Option<WhySeat>> {
    let limit = seats::find_limit(tx, workspace).await?;
    let (Some(seats), Some(taken)) = (limit.seat_limit, seats::find_taken(tx, workspace).await?)
    else {
        return Ok(None);
    };
    let is_active = member.status == Status::Active;
    let kept_at = seats::find_kept(tx, workspace, member.id).await?;
    let standing = match member.waiting_at {
        _ if kept_at.is_some() => SeatStanding::Kept,
        _ if !is_active => SeatStanding::None,
        Some(_) => SeatStanding::Waiting,
        None => SeatStanding::Taken,
    };
    let why = match standing {
        SeatStanding::None if member.status == Status::Suspended => {
            "only active members take a seat; it gave back the one that it had".to_owned()
        }
        SeatStanding::None => "only active members take a seat".to_owned(),
        SeatStanding::Taken if limit.seat_release == SeatRelease::OnRemove => {
            "the member is active; it gives the seat back once it is removed".to_owned()
        }
        SeatStanding::Taken => {
            "the member is active; it gives the seat back once it is suspended or removed"
                .to_owned()
        }
        SeatStanding::Kept => {
            "the member is suspended, and seats of this workspace are given back by those alone \
             who are removed"
                .to_owned()
        }
        SeatStanding::Waiting => {
            let ask = limit.seat_contact.as_ref();
            let ask = ask.map(|contact| format!("; ask {contact} for more"));
            format!(
                "no seat was free when it came; who waits longest gets the next one that is{}",
                ask.unwrap_or_default()
            )
        }
    };
    Ok(Some(WhySeat {
        standing,
        since: kept_at.or(member.waiting_at.filter(|_| is_active)),
        limit: seats,
        taken,
        why,
    }))
}
