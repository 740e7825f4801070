//! Whether a connection's provider can be asked: so that admins see it before people complain.

use serde_json::json;

use super::connections::Connection;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::Result;
use crate::store::connections as rows;

/// Notes that a connection's provider could not be asked, or can be again, where that is new.
pub(super) async fn note(
    app: &App,
    origin: &Origin,
    connection: &Connection,
    is_troubled: bool,
) -> Result<()> {
    if connection.degraded_at.is_some() == is_troubled {
        return Ok(());
    }
    let act = Act::of(app, origin, connection.workspace);
    let id = connection.id;
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let since = is_troubled.then_some(act.at);
            if !rows::update_degraded(tx, act.workspace, id, since).await? {
                return Ok(());
            }
            let kind = if is_troubled {
                "connection.degraded"
            } else {
                "connection.recovered"
            };
            let change = act.change(kind, ("connection", id.0), None, &json!({}));
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}
