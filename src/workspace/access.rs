//! In which teams somebody has access: in each enabled one that it is in, and an admin in every
//! enabled one where the workspace says so. A team that is disabled or put away gives none.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use crate::error::Result;
use crate::ids::{TeamId, WorkspaceId};
use crate::store::access as rows;
use crate::store::grants::GrantKind;
use crate::store::tx::Tx;

/// A team in which a member has access now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Access {
    /// The team's id.
    pub id: TeamId,
    /// Its name.
    pub team: String,
    /// Why the member has access in it.
    pub because: Because,
}

/// Why somebody has access in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It is in the team.
    Member,
    /// It is an admin, and admins have access in every enabled team.
    Admin,
}

impl Because {
    /// The reason in words.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Member => "is in the team",
            Self::Admin => "is an admin, and admins have access in every enabled team",
        }
    }
}

/// What decides who has access where.
pub struct Reach {
    setting: rows::Setting,
    open: BTreeMap<Uuid, String>,
}

/// What decides who has access where, as a workspace is now.
pub async fn reach(tx: &mut Tx, workspace: WorkspaceId) -> Result<Reach> {
    let setting = rows::find(tx, workspace).await?;
    let open = rows::list_open(tx, workspace).await?.into_iter();
    Ok(Reach {
        setting,
        open: open.map(|team| (team.id, team.name)).collect(),
    })
}

impl Reach {
    /// The teams in which somebody with these effective rights has access, by name.
    #[must_use]
    pub fn of(&self, rights: &HashSet<(GrantKind, Uuid)>) -> Vec<Access> {
        let admin = (GrantKind::Role, self.setting.admin.0);
        let told = |(id, name): (&Uuid, &String)| {
            Some(Access {
                id: TeamId(*id),
                team: name.clone(),
                because: self.because(rights, *id)?,
            })
        };
        // Most people are in few of many teams.
        let mut teams: Vec<_> = if self.setting.admins_in_all_teams && rights.contains(&admin) {
            self.open.iter().filter_map(told).collect()
        } else {
            let ids = rights.iter().filter(|right| right.0 == GrantKind::Team);
            let open = ids.filter_map(|(_, id)| self.open.get_key_value(id));
            open.filter_map(told).collect()
        };
        teams.sort_by(|one, other| one.team.cmp(&other.team));
        teams
    }

    /// Why somebody with these effective rights has access in a team; none if it has not.
    #[must_use]
    pub fn because(&self, rights: &HashSet<(GrantKind, Uuid)>, team: Uuid) -> Option<Because> {
        if !self.open.contains_key(&team) {
            return None;
        }
        if rights.contains(&(GrantKind::Team, team)) {
            return Some(Because::Member);
        }
        let admin = (GrantKind::Role, self.setting.admin.0);
        let is_wide = self.setting.admins_in_all_teams;
        (is_wide && rights.contains(&admin)).then_some(Because::Admin)
    }

    /// The teams that are open in one of the two alone.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<Uuid> {
        let all = self.open.keys().chain(other.open.keys());
        let is_one_sided =
            |team: &&Uuid| self.open.contains_key(team) != other.open.contains_key(team);
        all.filter(is_one_sided).copied().collect()
    }

    /// The role by which somebody has access in every open team, if there is one.
    #[must_use]
    pub fn everywhere(&self) -> Option<Uuid> {
        let setting = self.setting;
        setting.admins_in_all_teams.then_some(setting.admin.0)
    }

    /// The role by which somebody has access in a team without being in it, if there is one.
    #[must_use]
    pub fn role_into(&self, team: Uuid) -> Option<Uuid> {
        let is_wide = self.setting.admins_in_all_teams && self.open.contains_key(&team);
        is_wide.then_some(self.setting.admin.0)
    }
}
