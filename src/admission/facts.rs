//! What is said about members, as far as rules look at it: the groups that they are in, what directories
//! say of them, and what they show themselves.

use std::collections::HashMap;

use super::settle::Rules;
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::mapping::{self, Facts};
use crate::scim::resource;
use crate::store::live_rules::LiveRule;
use crate::store::tx::Tx;
use crate::store::{grants, profiles};

/// What is said about members, as far as the rules look at it.
pub(super) async fn facts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    rules: &Rules,
) -> Result<HashMap<MemberId, Facts>> {
    let mut facts: HashMap<MemberId, Facts> = HashMap::new();
    if rules.live.iter().any(|rule| !rule.groups.is_empty()) {
        for fact in grants::list_facts(tx, workspace, members).await? {
            let of = facts.entry(fact.member).or_default();
            of.groups.insert(fact.group_id);
        }
    }
    let looks = Looks::of(&rules.live);
    attributes(tx, workspace, members, looks, &mut facts).await?;
    Ok(facts)
}

/// What rules look at beside groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// Attributes of users.
    at_users: bool,
    /// Profiles of members.
    pub(super) at_profiles: bool,
}

impl Looks {
    pub(super) fn of(rules: &[LiveRule]) -> Self {
        let at_user = |rule: &LiveRule| rule.directory.is_some() && rule.when.is_some();
        Self {
            at_users: rules.iter().any(at_user),
            at_profiles: rules.iter().any(|rule| rule.directory.is_none()),
        }
    }

    /// What either rules look at.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            at_users: self.at_users || other.at_users,
            at_profiles: self.at_profiles || other.at_profiles,
        }
    }
}

/// Adds what directories say of members, and what these show themselves, as far as rules look at it.
pub(super) async fn attributes(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    looks: Looks,
    facts: &mut HashMap<MemberId, Facts>,
) -> Result<()> {
    if looks.at_users {
        for said in grants::list_said(tx, workspace, members).await? {
            let user = resource::from_stored(&said.document)?.into();
            let of = facts.entry(said.member).or_default();
            of.users.insert(said.directory, user);
        }
    }
    if looks.at_profiles {
        for shown in profiles::list(tx, workspace, members).await? {
            let of = facts.entry(shown.id).or_default();
            of.profile = Some(mapping::profile::seen(&shown));
        }
    }
    Ok(())
}
