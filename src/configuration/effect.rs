//! What a plan tells.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;

use super::standing::Standing;
use crate::admission::intended::Outlook;
use crate::admission::planned::Told;
use crate::error::{Error, Result};
use crate::ids::DirectoryId;
use crate::secrets::sha256;
use crate::workspace::keys::Permission;

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationAction")]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Change,
    /// It ends.
    End,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationKind")]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How far admins have access.
    Access,
    /// How many may be in.
    Seats,
    /// A team.
    Team,
    /// A role.
    Role,
    /// A directory.
    Directory,
    /// A rule.
    Rule,
}

impl Kind {
    /// The permission that it takes to change such things.
    pub(super) fn permission(self) -> Permission {
        match self {
            Self::Access => Permission::WorkspaceManage,
            Self::Seats => Permission::Everything,
            Self::Team => Permission::TeamsManage,
            Self::Role => Permission::RolesManage,
            Self::Directory => Permission::DirectoriesManage,
            Self::Rule => Permission::RulesManage,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "access",
            Self::Seats => "seats",
            Self::Team => "team",
            Self::Role => "role",
            Self::Directory => "directory",
            Self::Rule => "rule",
        })
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationDifference")]
pub struct Difference {
    /// Its name in the document.
    pub field: &'static str,
    /// What it is.
    pub from: Value,
    /// What it is to be.
    pub to: Value,
}

/// One thing that is made, changed or ends.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationEffect")]
pub struct Effect {
    /// What becomes of it.
    pub action: Action,
    /// What it is.
    pub kind: Kind,
    /// Its name; empty for what a workspace has one of.
    pub name: String,
    /// What changes of it; of a new one all that is not as usual.
    pub differences: Vec<Difference>,
}

/// What has to change.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationPlan")]
pub struct Plan {
    /// Names the effects: the same ones have the same hash, whenever they are planned.
    pub hash: String,
    /// The effects, in the order in which they are taken.
    pub effects: Vec<Effect>,
    /// What becomes of members with the rules that change; none where no rule does.
    pub members: Option<Told>,
    /// What becomes of members by teams, by roles and by how far admins have access, as rights are now;
    /// none where nobody comes to be able to do something else.
    pub access: Option<Standing>,
    /// Directories that the document does not name. These stay: what becomes of their members is said
    /// where a directory is ended.
    pub unnamed: Vec<Unnamed>,
}

/// A directory that a document does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigurationUnnamed")]
pub struct Unnamed {
    /// Its id.
    pub id: DirectoryId,
    /// Its name.
    pub name: String,
    /// How many users it has.
    pub users: i64,
}

impl Plan {
    pub(super) fn of(
        effects: Vec<Effect>,
        outlook: Option<Outlook>,
        access: Option<(Standing, String)>,
        unnamed: Vec<Unnamed>,
    ) -> Result<Self> {
        let of_members = outlook.as_ref().map(|it| &it.hash);
        let of_access = access.as_ref().map(|it| &it.1);
        let all = (&effects, of_members, of_access);
        let text = serde_json::to_vec(&all).map_err(Error::internal)?;
        Ok(Self {
            hash: HEXLOWER.encode(&sha256(&text)[..16]),
            effects,
            members: outlook.map(|it| it.told),
            access: access.map(|it| it.0),
            unnamed,
        })
    }

    /// How many things come to that.
    pub fn count(&self, action: Action) -> usize {
        let mut effects = self.effects.iter();
        effects.by_ref().filter(|it| it.action == action).count()
    }
}

impl fmt::Display for Plan {
    /// A line for each effect and each field, and the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for effect in &self.effects {
            let sign = match effect.action {
                Action::Add => '+',
                Action::Change => '~',
                Action::End => '-',
            };
            write!(f, "{sign} {}", effect.kind)?;
            if !effect.name.is_empty() {
                write!(f, " \"{}\"", effect.name.escape_debug())?;
            }
            writeln!(f)?;
            for it in &effect.differences {
                match effect.action {
                    Action::Add => writeln!(f, "    {}: {}", it.field, it.to)?,
                    _ => writeln!(f, "    {}: {} -> {}", it.field, it.from, it.to)?,
                }
            }
        }
        for of in &self.unnamed {
            writeln!(
                f,
                "  directory \"{}\" is not named and stays, with its {} users; \
                 `directory end` ends it and says what becomes of its members",
                of.name.escape_debug(),
                of.users
            )?;
        }
        write!(
            f,
            "{} to add, {} to change, {} to end; plan {}",
            self.count(Action::Add),
            self.count(Action::Change),
            self.count(Action::End),
            self.hash
        )
    }
}
