//! What IdPs told us: directories with their credentials, and the users and groups in them as they
//! were written. SCIM reads are answered from here. A fact gives no right: each write hands what it
//! concerns to `admission`, in its own transaction.

pub mod credentials;
pub mod erasure;
pub mod explanation;
pub mod export;
mod followed;
pub mod groups;
mod membership;
mod nesting;
mod removal;
pub mod request_log;
pub mod resources;
pub mod restore;
pub mod retention;
pub mod roles;
pub mod search;
mod unique;
pub mod users;
mod written;

use uuid::Uuid;

use crate::admission::directory_runs;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{CredentialId, DirectoryId, WorkspaceId};
use crate::scim::registry::Registry;
use crate::scim::resource::Strictness;
use crate::scim::schema::{Purpose, ResourceType};
use crate::store::directories as rows;
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::workspace::{Workspace, name_key};

pub use crate::store::directories::{Authenticated as Opened, Directory, DirectoryKind, Mode};

/// A directory's client, known by its credential. What it may reach is its directory alone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The credential.
    pub credential: CredentialId,
    /// How much of the directory it opens.
    pub access: Access,
    /// The directory that it opens.
    pub directory: Directory,
    /// Which resource types and schemas there are in its workspace.
    pub registry: &'static Registry,
    /// Names that set; another one may hold by the time of a write.
    pub schemas_tag: Option<Uuid>,
    /// The request.
    pub origin: Origin,
}

/// How much of a directory a credential opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether it opens for reading alone.
    pub read_only: bool,
    /// The one endpoint that it opens, such as `Users`; none for all.
    pub only_endpoint: Option<String>,
}

impl Access {
    /// Whether it opens resources of a type, for writing if `writes`; otherwise
    /// [`Error::Forbidden`].
    pub fn check(&self, kind: &ResourceType, writes: bool) -> Result<()> {
        let is_open = |only: &String| kind.endpoint.strip_prefix('/') == Some(only.as_str());
        if self.only_endpoint.as_ref().is_none_or(is_open) && !(self.read_only && writes) {
            Ok(())
        } else {
            Err(Error::Forbidden)
        }
    }
}

/// Goes on where a directory still is as its client found it. Else that went live, or collects again, or
/// was switched off since, at this node or another: nothing of the request is done, and the client may
/// come again at once.
fn check_open(app: &App, is_open: bool) -> Result<()> {
    if is_open {
        return Ok(());
    }
    app.credentials.invalidate_all();
    Err(Error::Unavailable)
}

impl Caller {
    /// Whether roles are shown as entitlements: Okta asks for them, and to others a type that
    /// nobody can write is of no use.
    pub fn sees_roles(&self) -> bool {
        self.directory.kind == DirectoryKind::Okta
    }

    /// The resource type at an endpoint, such as `/Users`, or its name without the slash.
    pub fn kind_at(&self, endpoint: &str) -> Option<&'static ResourceType> {
        let kind = self.registry.at(endpoint)?;
        (kind.purpose != Purpose::Role || self.sees_roles()).then_some(kind)
    }

    /// Refuses to make a resource by schemas that hold no longer: the client may come again at once.
    fn check_schemas(&self, app: &App, tag: Option<Uuid>) -> Result<()> {
        if tag == self.schemas_tag {
            return Ok(());
        }
        app.credentials.invalidate_all();
        Err(Error::Unavailable)
    }

    /// Goes on where the directory is as its client found it, as [`check_open`] has it, where nothing is
    /// written that would tell.
    async fn check_mode(&self, tx: &mut Tx, app: &App) -> Result<()> {
        let is_open = rows::is_in(tx, self.place(), self.directory.mode).await?;
        check_open(app, is_open)
    }

    /// Where the caller's resources are.
    pub fn place(&self) -> Place {
        Place {
            workspace: self.directory.workspace,
            directory: self.directory.id,
        }
    }

    /// How strictly the caller's input is read.
    pub fn strictness(&self) -> Strictness {
        if self.directory.strict {
            Strictness::Strict
        } else {
            Strictness::Lenient
        }
    }

    /// A locked User that is about to be written: a directory that collects shuts nobody out, and gives
    /// back what was before it went live before anything else.
    async fn let_go(&self, tx: &mut Tx, app: &App, user: users::User) -> Result<users::User> {
        if self.directory.mode == Mode::Live || user.member.is_none() {
            return Ok(user);
        }
        directory_runs::undo_one(tx, app, &self.act(app), self.place(), user).await
    }

    fn act(&self, app: &App) -> Act {
        Act {
            origin: self.origin.clone(),
            workspace: self.directory.workspace,
            directory: Some(self.directory.id),
            at: app.clock.now(),
        }
    }
}

/// What a directory is made with.
#[derive(Debug, Clone)]
pub struct NewDirectory {
    /// Its name, unique in the workspace.
    pub name: String,
    /// Whose dialect it speaks.
    pub kind: DirectoryKind,
    /// What becomes of its facts.
    pub mode: Mode,
    /// Whether unknown attributes and members are refused instead of skipped.
    pub strict: bool,
    /// Whether a create for an inactive user restores that user.
    pub restore_inactive: bool,
}

/// Makes a directory. Its id is made here and shared with nothing else.
pub async fn create(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    new: NewDirectory,
) -> Result<Directory> {
    let act = Act::of(app, origin, workspace.id);
    app.write(move |tx| {
        let (act, new) = (act.clone(), new.clone());
        Box::pin(async move { create_within(tx, act, new).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn create_within(tx: &mut Tx, mut act: Act, new: NewDirectory) -> Result<Directory> {
    let key = name_key(&new.name, "name")?;
    let directory = Directory {
        id: DirectoryId::new(),
        workspace: act.workspace,
        name: new.name,
        kind: new.kind,
        mode: new.mode,
        strict: new.strict,
        restore_inactive: new.restore_inactive,
        created_at: act.at,
        ended_at: None,
    };
    act.directory = Some(directory.id);
    rows::insert(tx, &directory, &key)
        .await
        .on_duplicate("name")?;
    let detail = serde_json::json!({
        "kind": directory.kind, "mode": directory.mode, "strict": directory.strict,
    });
    let subject = ("directory", directory.id.0);
    let change = act.change("directory.created", subject, Some(1), &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(directory)
}

/// Writes what a directory is called, and how it treats what its IdP sends. A name that another one
/// has is [`Error::Taken`].
pub async fn update(app: &App, origin: &Origin, directory: &Directory) -> Result<()> {
    let act = Act::of(app, origin, directory.workspace);
    let changed = directory.clone();
    app.write(move |tx| {
        let (directory, act) = (changed.clone(), act.clone());
        Box::pin(async move { update_within(tx, act, &directory).await })
    })
    .await?;
    app.credentials.invalidate_all();
    Ok(())
}

/// The same in the transaction of a wider change, after which no cached credential is to be trusted.
pub async fn update_within(tx: &mut Tx, mut act: Act, directory: &Directory) -> Result<()> {
    act.directory = Some(directory.id);
    let key = name_key(&directory.name, "name")?;
    let is_there = rows::update(tx, directory, &key)
        .await
        .on_duplicate("name")?;
    if !is_there {
        return Err(Error::NotFound("directory"));
    }
    let detail = serde_json::json!({
        "name": directory.name, "strict": directory.strict, "restore_inactive": directory.restore_inactive,
    });
    let subject = ("directory", directory.id.0);
    let change = act.change("directory.updated", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// The directories of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Directory>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace).await?)
}

/// The directory of that name.
pub async fn find(app: &App, workspace: WorkspaceId, name: &str) -> Result<Directory> {
    let key = name_key(name, "directory")?;
    let mut tx = app.db.one().await?;
    rows::find_by_name(&mut tx, workspace, &key)
        .await?
        .ok_or(Error::NotFound("directory"))
}

/// The directory of that id.
pub async fn find_by_id(app: &App, workspace: WorkspaceId, id: DirectoryId) -> Result<Directory> {
    let mut listed = list(app, workspace).await?.into_iter();
    listed
        .find(|directory| directory.id == id)
        .ok_or(Error::NotFound("directory"))
}

/// How many users and groups a directory has.
pub async fn totals(app: &App, directory: &Directory) -> Result<(i64, i64)> {
    let place = (directory.workspace, directory.id);
    let mut tx = app.db.read().await?;
    let users = rows::count(&mut tx, place, "users").await?;
    let groups = rows::count(&mut tx, place, "groups").await?;
    Ok((users, groups))
}

/// Where a directory's SCIM API is.
pub fn scim_base_url(public_url: &str, directory: DirectoryId) -> String {
    format!("{}/d/{directory}/scim/v2", public_url.trim_end_matches('/'))
}
