//! What whoever acts writes of a member moves what rules over profiles give that one: at once, as far as
//! the writer could give and take it by hand, and past the brake, as all that somebody does upon one
//! person. What else the rules have outstanding for the member is not the writer's: runs, the sweeper and
//! the brake see to that.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::brake;
use super::defining::check_rights;
use super::facts::facts;
use super::fields;
use super::settle::{Rules, differences};
use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::mapping::{self, Facts, profile};
use crate::store::grants::GrantKind;
use crate::store::members::{self, Member, Status};
use crate::store::profiles;
use crate::store::tx::Tx;
use crate::workspace::keys::Scopes;
use crate::workspace::{guard, ledger};

/// Rights, by kind and id.
type Rights = BTreeSet<(GrantKind, Uuid)>;

/// Whether somebody whom nobody has proved is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubted {
    /// As somebody without a profile, which is how rules see that one.
    Unseen,
    /// As if proved: what is written of that one now has its effect later, and nobody asks then who wrote it.
    Seen,
}

/// What the rules say of a member before it is written.
pub struct Before {
    rules: Rules,
    wanted: Rights,
}

impl Before {
    /// Reads it of a locked member, or of one who is new or comes back; None where no rule looks at
    /// profiles.
    pub async fn of(
        tx: &mut Tx,
        app: &App,
        act: &Act,
        member: Option<&Member>,
        doubted: Doubted,
    ) -> Result<Option<Self>> {
        let Some(rules) = Rules::over_profiles(tx, app, act.workspace).await? else {
            return Ok(None);
        };
        let wanted = match member.filter(|member| member.status != Status::Removed) {
            Some(member) => wanted(tx, act.workspace, member.id, &rules, doubted).await?,
            None => Rights::new(),
        };
        Ok(Some(Self { rules, wanted }))
    }

    /// Settles what the writing moved. What that is beyond `scopes` is [`crate::error::Error::Forbidden`]: a
    /// rule gives nobody what they could not give by hand. What would take the last admin away is
    /// [`crate::error::Error::Conflict`].
    pub async fn settle(
        self,
        tx: &mut Tx,
        (act, scopes): (&Act, &Scopes),
        member: MemberId,
    ) -> Result<()> {
        let Self { rules, wanted: had } = self;
        let locked = members::lock(tx, act.workspace, &[member]).await?;
        let wants = wanted(tx, act.workspace, member, &rules, Doubted::Seen).await?;
        let moved: Rights = had.symmetric_difference(&wants).copied().collect();
        check_rights(tx, act.workspace, scopes, &moved).await?;
        let mut differences = differences(tx, act.workspace, &locked, &rules).await?;
        let mut leaves = false;
        for member in &locked {
            let Some((_, difference)) = differences.get_mut(&member.id) else {
                continue;
            };
            let before = difference.begun.len() + difference.ended.len();
            let begun = &mut difference.begun;
            begun.retain(|(kind, target, _)| moved.contains(&(*kind, *target)));
            let ended = &mut difference.ended;
            ended.retain(|grant| moved.contains(&(grant.kind, grant.target)));
            leaves |= difference.begun.len() + difference.ended.len() < before;
            let lost = difference.ended.iter();
            let lost = lost.filter(|it| !difference.wanted.contains(&(it.kind, it.target)));
            let lost: Vec<_> = lost.cloned().collect();
            guard::spare_grants(tx, act, member, &lost).await?;
        }
        let expects = guard::expects_another(tx, act, &differences).await?;
        brake::pass(tx, act, &locked, &mut differences).await?;
        for member in &locked {
            // With something left to do, it is not settled by these rules.
            let version = if leaves {
                member.rules_version
            } else {
                rules.version
            };
            if !differences.is_empty() {
                ledger::apply(tx, act, &differences, version, None).await?;
            } else if version > member.rules_version {
                members::update_rules_version(tx, act.workspace, &[member.id], version).await?;
            }
        }
        if fields::are_concerned(&locked, &rules) {
            fields::fill(tx, act, &locked, &rules).await?;
        }
        if expects {
            guard::let_go(tx, act).await?;
        }
        Ok(())
    }
}

/// What the rules want for a member who has not left.
async fn wanted(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    rules: &Rules,
    doubted: Doubted,
) -> Result<Rights> {
    let mut facts: Facts = facts(tx, workspace, &[member], rules)
        .await?
        .remove(&member)
        .unwrap_or_default();
    if facts.profile.is_none() && doubted == Doubted::Seen {
        let shown = profiles::find(tx, workspace, member).await?;
        facts.profile = shown.as_ref().map(profile::seen);
    }
    let wanted = mapping::wanted(&rules.live, &facts).into_iter();
    Ok(wanted.map(|(kind, target, _)| (kind, target)).collect())
}
