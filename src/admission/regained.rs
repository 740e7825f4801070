//! What members come to have by it that something is given back to them, held against the rights of
//! whoever gives it back.

use std::collections::BTreeSet;

use super::defining::check_rights;
use super::effects::Right;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::MemberId;
use crate::store::grants;
use crate::store::members::{self, Member, Status};
use crate::store::tx::Tx;
use crate::workspace::keys::Scopes;

/// The rights of members that nothing is about to take, before something is given back to them.
pub struct Had {
    members: Vec<MemberId>,
    rights: BTreeSet<(MemberId, Right)>,
}

impl Had {
    /// Looks at locked members.
    pub async fn of(tx: &mut Tx, act: &Act, locked: &[Member]) -> Result<Self> {
        Ok(Self {
            members: locked.iter().map(|member| member.id).collect(),
            rights: rights(tx, act, locked).await?,
        })
    }

    /// Refuses it if they have, or lack, anything since that goes beyond `scopes`:
    /// [`crate::error::Error::Forbidden`]. They are settled by now.
    pub async fn check(self, tx: &mut Tx, act: &Act, scopes: &Scopes) -> Result<()> {
        let locked = members::lock(tx, act.workspace, &self.members).await?;
        let now = rights(tx, act, &locked).await?;
        let differing = now.symmetric_difference(&self.rights);
        let differing = differing.map(|(_, right)| *right).collect();
        check_rights(tx, act.workspace, scopes, &differing).await
    }
}

/// What the brake keeps for a while only is not had: to keep it for good gives it.
async fn rights(tx: &mut Tx, act: &Act, locked: &[Member]) -> Result<BTreeSet<(MemberId, Right)>> {
    let lasting = locked.iter().filter(|member| {
        member.status == Status::Active && member.held_at.is_none() && member.brake_wants.is_none()
    });
    let lasting: Vec<MemberId> = lasting.map(|member| member.id).collect();
    let mut all = grants::list_by_rule(tx, act.workspace, &lasting).await?;
    all.extend(grants::list_by_hand(tx, act.workspace, &lasting).await?);
    let all = all.into_iter();
    let all = all.filter(|grant| grant.is_effective && !grant.is_braked);
    Ok(all
        .map(|grant| (grant.member, (grant.kind, grant.target)))
        .collect())
}
