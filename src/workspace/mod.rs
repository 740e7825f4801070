//! Workspaces and what apps see of them: members, teams, roles, the ledger of who has what and
//! because of what, and the keys of the management API. It knows nothing of IdPs; facts reach it through `admission` alone.

pub mod access;
pub mod activity;
pub mod awaiting;
pub mod columns;
pub mod deletion;
pub mod domains;
pub mod edit;
pub mod erasure;
pub mod erasure_list;
pub mod export_many;
pub mod guard;
pub mod history;
pub mod keys;
pub mod ledger;
pub mod lifecycle;
pub mod makers;
pub mod manual;
pub mod members;
pub mod past_names;
pub mod permissions;
pub mod persons;
pub mod profile;
mod public_mail;
pub mod quota;
pub mod roles;
pub mod schemas;
pub mod search;
pub mod seats;
pub mod settings;
pub mod status;
pub mod teams;
pub mod told;

use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{RoleId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::scim::fold;
use crate::store::brake;
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;
use crate::store::workspaces as rows;

use keys::Permission;

pub use crate::store::workspaces::Workspace;

/// The longest slug, team name or role name, in characters.
const NAME_LENGTH: usize = 64;

/// What in a workspace is to be changed, and at which of its versions.
#[derive(Debug, Clone)]
pub struct At<I> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Which member, team or role.
    pub id: I,
    /// The versions that will do.
    pub precondition: Precondition,
}

impl<I> From<(WorkspaceId, I)> for At<I> {
    /// At whichever version it is.
    fn from((workspace, id): (WorkspaceId, I)) -> Self {
        (workspace, id, Precondition::default()).into()
    }
}

impl<I> From<(WorkspaceId, I, Precondition)> for At<I> {
    fn from((workspace, id, precondition): (WorkspaceId, I, Precondition)) -> Self {
        Self {
            workspace,
            id,
            precondition,
        }
    }
}

/// Makes a workspace with the built-in roles `admin` and `user`. A slug is 1 to 64 of `a-z`, `0-9`
/// and `-`, and no `-` at its ends; a taken one is [`Error::Taken`].
pub async fn create(app: &App, origin: &Origin, slug: &str, name: &str) -> Result<Workspace> {
    check_slug(slug)?;
    fold::check_name(name, "name")?;
    let workspace = Workspace {
        id: WorkspaceId::new(),
        slug: slug.to_owned(),
        name: name.to_owned(),
        status: "active".to_owned(),
        admins_in_all_teams: false,
        created_at: app.clock.now(),
    };
    let act = Act {
        origin: origin.clone(),
        workspace: workspace.id,
        directory: None,
        at: workspace.created_at,
    };
    let made = workspace.clone();
    app.write(move |tx| {
        let (workspace, act) = (made.clone(), act.clone());
        Box::pin(async move { insert(tx, &act, &workspace).await })
    })
    .await?;
    Ok(workspace)
}

async fn insert(tx: &mut Tx, act: &Act, workspace: &Workspace) -> Result<()> {
    rows::insert(tx, workspace, uuid::Uuid::new_v4())
        .await
        .on_duplicate("slug")?;
    for (name, permissions) in [("admin", &Permission::OF_WORKSPACE[..]), ("user", &[])] {
        let id = RoleId::new();
        rows::insert_role(tx, workspace.id, id, (name, name), true, act.at).await?;
        for permission in permissions {
            rows::insert_role_permission(tx, workspace.id, id, permission.name()).await?;
        }
    }
    brake::insert(tx, workspace.id, brake::Setting::default()).await?;
    let detail = serde_json::json!({ "slug": workspace.slug });
    let change = act.change(
        "workspace.created",
        ("workspace", workspace.id.0),
        Some(1),
        &detail,
    );
    changes::record(tx, workspace.id, &[change]).await
}

/// The workspace of that slug; one that is deleted is [`Error::Conflict`].
pub async fn find(app: &App, slug: &str) -> Result<Workspace> {
    let found = find_any(app, slug).await?;
    deletion::refuse_deleted(&found)?;
    Ok(found)
}

/// The workspace of that slug, be it deleted, as long as its rows are there.
pub async fn find_any(app: &App, slug: &str) -> Result<Workspace> {
    let mut tx = app.db.one().await?;
    rows::find_by_slug(&mut tx, slug)
        .await?
        .ok_or(Error::NotFound("workspace"))
}

/// The workspace of that id or slug.
pub async fn find_named(app: &App, id_or_slug: &str) -> Result<Workspace> {
    let mut tx = app.db.one().await?;
    let found = match id_or_slug.parse() {
        Ok(id) => rows::find(&mut tx, id).await?,
        Err(_) => rows::find_by_slug(&mut tx, id_or_slug).await?,
    };
    found.ok_or(Error::NotFound("workspace"))
}

/// All workspaces, by slug.
pub async fn list(app: &App) -> Result<Vec<Workspace>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx).await?)
}

/// Refuses what is no name for a team, role or directory; gives the folded key of what is.
pub fn name_key(name: &str, what: &'static str) -> Result<String> {
    fold::check_name(name, what)?;
    if name.chars().count() > NAME_LENGTH {
        return Err(Error::value(format!(
            "{what} must have at most {NAME_LENGTH} characters"
        )));
    }
    Ok(fold::key(name))
}

fn check_slug(slug: &str) -> Result<()> {
    let fits = !slug.is_empty()
        && slug.len() <= NAME_LENGTH
        && slug
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if fits {
        Ok(())
    } else {
        Err(Error::value(
            "slug must be 1 to 64 of a-z, 0-9 and -, with no - at its ends",
        ))
    }
}
