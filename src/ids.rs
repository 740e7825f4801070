//! Ids: one type for each kind of thing, so that none can be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, sqlx::Type)]
        #[serde(transparent)]
        #[schemars(inline)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: UUID version 7, so that ids sort by creation.
            #[expect(clippy::new_without_default, reason = "each call gives another id")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Reads the hyphenated form; anything else names nothing.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A workspace.
    WorkspaceId,
    /// A member of a workspace.
    MemberId,
    /// A team of a workspace.
    TeamId,
    /// A role of a workspace.
    RoleId,
    /// A directory of a workspace.
    DirectoryId,
    /// A credential of a directory.
    CredentialId,
    /// A key of the management API.
    ApiKeyId,
    /// A link that opens a session once.
    LinkId,
    /// A session of a person.
    SessionId,
    /// A connection of a workspace.
    ConnectionId,
    /// A login that has begun.
    FlowId,
    /// A request to be let in.
    JoinRequestId,
    /// A SCIM resource of type User.
    UserId,
    /// A SCIM resource of type Group.
    GroupId,
    /// A SCIM resource of a registered type.
    ResourceId,
    /// A rule.
    RuleId,
    /// A cause of grants.
    CauseId,
    /// A grant.
    GrantId,
    /// A domain of a workspace.
    DomainId,
    /// A run.
    RunId,
    /// A change.
    ChangeId,
    /// An import of members.
    ImportId,
    /// A key under which a person's values are sealed.
    PersonId,
    /// A request.
    RequestId,
}
