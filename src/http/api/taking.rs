//! Data that leaves goes on leaving only as long as whoever takes it out may have it.

use uuid::Uuid;

use super::caller::ApiCaller;
use crate::error::Error;
use crate::ids::WorkspaceId;
use crate::workspace::export_many;
use crate::workspace::keys::Permission;

/// What is taken out of a workspace part by part, and by what right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    /// Whose data it is.
    pub(super) workspace: WorkspaceId,
    /// What whoever takes it out must be allowed.
    pub(super) permission: Permission,
    /// What it is about, as the log names it.
    pub(super) subject: (&'static str, Uuid),
}

impl Taking {
    /// To be asked before each part is read. A right that was lost since the last one, in whatever
    /// way, is [`Error::Forbidden`]: the answer is to break off, which the log of the workspace tells.
    pub(super) async fn check(self, caller: &mut ApiCaller) -> Result<(), Error> {
        let Err(problem) = caller.check_again(self.permission).await else {
            return Ok(());
        };
        if problem.is_ours() {
            return Err(Error::Unavailable);
        }
        let (app, origin) = (caller.app(), &caller.origin);
        let why = problem.code();
        export_many::tell_broken_off(app, origin, self.workspace, self.subject, why).await?;
        Err(Error::Forbidden)
    }
}
