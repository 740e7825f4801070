//! Roles of the workspace as entitlements: what a directory may assign by a user's `roles`. They
//! are the workspace's own, so that a directory reads and never writes them; what it assigns gives
//! nothing without a rule.

use serde_json::{Value, json};

use super::Caller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::RoleId;
use crate::scim::registry::ROLE;
use crate::workspace::roles;

pub use crate::workspace::roles::Role;

/// The role of that id.
pub async fn find(app: &App, caller: &Caller, id: RoleId) -> Result<Role> {
    let roles = roles::list(app, caller.directory.workspace).await?;
    let found = roles.into_iter().find(|role| role.id == id);
    found.ok_or(Error::NotFound("role"))
}

/// A role as SCIM shows it, but for its address.
pub fn document(role: &Role) -> Value {
    let kind = if role.built_in { "built-in" } else { "own" };
    json!({
        "schemas": [ROLE],
        "id": role.id,
        "displayName": role.name,
        "type": kind,
        "meta": {
            "resourceType": "Role",
            "created": role.created_at,
            "lastModified": role.created_at,
            "version": "W/\"1\"",
        },
    })
}
