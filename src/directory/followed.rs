//! Which fields of a member follow a User beside names and address.

use super::written::Written;
use crate::admission::followed::{self, Said};
use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{MemberId, UserId};
use crate::store::tx::Tx;
use crate::store::users::Place;

/// A User was made: its member shows what it says, and whoever waits for it has a manager. One of
/// which nothing is said, and for whom nobody waits, costs nothing.
pub(super) async fn made(
    tx: &mut Tx,
    app: &App,
    at: (&Act, Place),
    (user, member): (UserId, MemberId),
    (core, is_awaited): (&Written, bool),
) -> Result<()> {
    if !core.said.is_silent() {
        let said = (&Said::default(), &core.said);
        followed::follow(tx, app, at, (user, member), said).await?;
    }
    if is_awaited {
        let names = (core.user_name_key.as_str(), core.external_id.as_deref());
        followed::arrived(tx, app, at, names, member).await?;
    }
    Ok(())
}

/// A User was changed: its member follows, where these fields are concerned.
pub(super) async fn changed(
    tx: &mut Tx,
    app: &App,
    at: (&Act, Place),
    link: (UserId, MemberId),
    (before, after): (&Written, &Written),
) -> Result<()> {
    if before.said == after.said {
        return Ok(());
    }
    followed::follow(tx, app, at, link, (&before.said, &after.said)).await
}
