//! Which permissions there are, and sets of them as a column keeps them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One right in a workspace, or in the deployment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Permission {
    /// To see members, and what they have and why.
    #[serde(rename = "members.read")]
    MembersRead,
    /// To change members; sees them too.
    #[serde(rename = "members.manage")]
    MembersManage,
    /// To change teams.
    #[serde(rename = "teams.manage")]
    TeamsManage,
    /// To change roles.
    #[serde(rename = "roles.manage")]
    RolesManage,
    /// To see and change rules.
    #[serde(rename = "rules.manage")]
    RulesManage,
    /// To see and change directories.
    #[serde(rename = "directories.manage")]
    DirectoriesManage,
    /// To change the workspace itself.
    #[serde(rename = "workspace.manage")]
    WorkspaceManage,
    /// To take data out.
    #[serde(rename = "data.export")]
    DataExport,
    /// To see, make and revoke API keys.
    #[serde(rename = "keys.manage")]
    KeysManage,
    /// Everything there is and will be: for keys of operators alone.
    #[serde(rename = "*")]
    Everything,
}

impl Permission {
    /// The catalogue.
    pub const ALL: [Self; 10] = [
        Self::MembersRead,
        Self::MembersManage,
        Self::TeamsManage,
        Self::RolesManage,
        Self::RulesManage,
        Self::DirectoriesManage,
        Self::WorkspaceManage,
        Self::DataExport,
        Self::KeysManage,
        Self::Everything,
    ];

    /// What there is to be allowed in a workspace: what its built-in role `admin` gives.
    pub const OF_WORKSPACE: [Self; 9] = [
        Self::MembersRead,
        Self::MembersManage,
        Self::TeamsManage,
        Self::RolesManage,
        Self::RulesManage,
        Self::DirectoriesManage,
        Self::WorkspaceManage,
        Self::DataExport,
        Self::KeysManage,
    ];

    /// Its name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MembersRead => "members.read",
            Self::MembersManage => "members.manage",
            Self::TeamsManage => "teams.manage",
            Self::RolesManage => "roles.manage",
            Self::RulesManage => "rules.manage",
            Self::DirectoriesManage => "directories.manage",
            Self::WorkspaceManage => "workspace.manage",
            Self::DataExport => "data.export",
            Self::KeysManage => "keys.manage",
            Self::Everything => "*",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("expected one of {names}")
        })
    }
}

/// What a credential may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Scopes {
    named: BTreeSet<Permission>,
    /// Of a person: the permissions of apps that it has. A key that is nobody's own has none, and is
    /// not held to them, no more than whoever may manage roles.
    #[serde(skip)]
    of_apps: Option<BTreeSet<String>>,
}

impl Scopes {
    /// All that there is.
    #[must_use]
    pub fn everything() -> Self {
        Self::from_iter([Permission::Everything])
    }

    /// Whether they allow everything that is done in a workspace.
    #[must_use]
    pub fn are_all(&self) -> bool {
        let mut all = Permission::OF_WORKSPACE.into_iter();
        all.all(|it| self.allow(it))
    }

    /// What a person may do who has permissions of those names, Gatehouse's own and apps'.
    #[must_use]
    pub fn of_person(of: impl IntoIterator<Item = String>) -> Self {
        let (mut named, mut of_apps) = (BTreeSet::new(), BTreeSet::new());
        for name in of {
            if let Ok(permission) = name.parse::<Permission>() {
                named.insert(permission);
            } else {
                of_apps.insert(name);
            }
        }
        Self {
            named,
            of_apps: Some(of_apps),
        }
    }

    /// Whether whoever has them may give and take a permission: of Gatehouse's own what they allow, of
    /// apps' what the person has, or any if they allow to manage roles.
    #[must_use]
    pub fn hold(&self, name: &str) -> bool {
        match name.parse::<Permission>() {
            Ok(permission) => self.allow(permission),
            Err(_) => {
                let has = self.of_apps.as_ref().is_none_or(|of| of.contains(name));
                has || self.allow(Permission::RolesManage)
            }
        }
    }

    /// Each permission that they name.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.named.iter().copied()
    }

    /// Whether it is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether they name a permission themselves.
    #[must_use]
    pub fn name(&self, permission: Permission) -> bool {
        self.named.contains(&permission)
    }

    /// Whether they allow what asks for a permission.
    #[must_use]
    pub fn allow(&self, permission: Permission) -> bool {
        self.name(permission)
            || self.name(Permission::Everything)
            || permission == Permission::MembersRead && self.name(Permission::MembersManage)
    }

    /// Whether they allow all that others allow.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        others.named.iter().all(|other| self.allow(*other))
    }

    /// Those of them that a person's rights allow too: what a key of that person may do.
    #[must_use]
    pub fn within(&self, rights: &Self) -> Self {
        let both = self.named.iter().copied();
        Self {
            named: both.filter(|it| rights.allow(*it)).collect(),
            of_apps: rights.of_apps.clone(),
        }
    }

    /// As the column has them.
    pub(super) fn to_column(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl FromIterator<Permission> for Scopes {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self {
            named: permissions.into_iter().collect(),
            of_apps: None,
        }
    }
}

impl From<String> for Scopes {
    /// Reads a column. A permission that only a newer version knows gives nothing here.
    fn from(column: String) -> Self {
        let names: Vec<String> = serde_json::from_str(&column).unwrap_or_default();
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Scopes};

    fn of(text: &str) -> Scopes {
        text.split(' ')
            .map(|name| name.parse::<Permission>().unwrap())
            .collect()
    }

    #[test]
    fn each_permission_has_one_name() {
        for permission in Permission::ALL {
            let wire = serde_json::to_value(permission).unwrap();
            assert_eq!(wire, permission.name());
            assert_eq!(permission.name().parse(), Ok(permission));
        }
        let column = r#"["keys.manage","of.tomorrow"]"#.to_owned();
        let read = Scopes::from(column);
        assert_eq!(read, Scopes::from_iter([Permission::KeysManage]));
    }

    #[test]
    fn nothing_covers_more_than_it_allows() {
        assert!(of("*").cover(&of("* keys.manage")));
        assert!(of("members.manage").cover(&of("members.read")));
        assert!(!of("members.read").cover(&of("members.manage")));
        assert!(!of("keys.manage members.read").cover(&of("*")));
        assert_eq!(
            of("keys.manage data.export").within(&of("data.export members.manage")),
            of("data.export")
        );
    }

    #[test]
    fn a_person_holds_what_it_has_and_a_key_of_nobody_any_permission_of_apps() {
        let rights = ["members.manage", "chats.transfer"].map(str::to_owned);
        let person = of("members.manage keys.manage").within(&Scopes::of_person(rights));
        let held = [
            "members.read",
            "chats.transfer",
            "keys.manage",
            "chats.burn",
        ];
        assert_eq!(held.map(|it| person.hold(it)), [true, true, false, false]);
        let key = of("members.manage");
        assert_eq!(held.map(|it| key.hold(it)), [true, true, false, true]);
        let rights = ["members.manage", "roles.manage"].map(str::to_owned);
        let admin = of("members.manage roles.manage").within(&Scopes::of_person(rights));
        assert_eq!(held.map(|it| admin.hold(it)), [true, true, false, true]);
        assert_eq!(
            serde_json::to_value(&person).unwrap(),
            serde_json::json!(["members.manage"])
        );
    }
}
