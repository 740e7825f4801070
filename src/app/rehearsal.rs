//! Rehearsals: a request runs as it would, and nothing of it is kept. Its transaction is undone at its
//! end, and what it would have told the change log is given instead.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::ids::{RequestId, WorkspaceId};
use crate::store::changes::{self, Told};
use crate::store::tx::Tx;
use crate::store::writer::{BoxFuture, Writer};

tokio::task_local! {
    static CURRENT: Rehearsal;
}

/// A request that is rehearsed.
#[derive(Clone)]
pub(super) struct Rehearsal {
    workspace: WorkspaceId,
    request: RequestId,
    told: Arc<Mutex<Vec<Told>>>,
}

/// Runs a request's work with nothing kept; gives what it came to, and the changes that it would have
/// told. Each of its transactions is undone before the next one, so that what builds on another sees
/// nothing of it.
pub async fn rehearse<T>(
    (workspace, request): (WorkspaceId, RequestId),
    work: impl Future<Output = T>,
) -> (T, Vec<Told>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let rehearsal = Rehearsal {
        workspace,
        request,
        told: Arc::clone(&told),
    };
    let done = CURRENT.scope(rehearsal, work).await;
    let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    (done, told)
}

/// The rehearsal within which this runs, if it does.
pub(super) fn current() -> Option<Rehearsal> {
    CURRENT.try_with(Clone::clone).ok()
}

impl Rehearsal {
    /// Runs a use case and undoes it.
    pub(super) async fn write<T, F>(self, writer: &Writer, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let (workspace, request) = (self.workspace, self.request);
        let undone = undone(writer, move |tx| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                let value = work(&mut *tx).await?;
                Ok((value, changes::list_told(tx, workspace, request).await?))
            })
        });
        let (value, told) = undone.await?;
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(told);
        Ok(value)
    }
}

/// Runs a use case in a write transaction that is undone at its end; gives what it came to.
pub(super) async fn undone<T, F>(writer: &Writer, work: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
{
    let (work, slot) = (Arc::new(work), Arc::new(Mutex::new(None)));
    let filled = Arc::clone(&slot);
    let undone = writer.write(move |tx| {
        let (work, filled) = (Arc::clone(&work), Arc::clone(&filled));
        Box::pin(async move {
            let value = work(&mut *tx).await?;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Err::<(), _>(Error::Conflict("nothing of this is kept".to_owned()))
        })
    });
    let undone = undone.await;
    let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (value, undone) {
        (Some(value), _) => Ok(value),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Error::internal(anyhow::anyhow!("what is undone was kept"))),
    }
}
