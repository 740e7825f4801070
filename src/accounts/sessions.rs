//! Sessions of people: opaque, kept as hashes, with an end that the server decides. A session opens
//! the workspaces whose policy it met, and each only while the member is in, by the epoch of then.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use crate::app::App;
use crate::app::credentials::check_clock;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, SessionId, WorkspaceId};
use crate::secrets::tokens::{self, Door};
use crate::store::one_time_links;
use crate::store::sessions::{self as rows, NewSession, Times};
use crate::store::sign_in_policies;
use crate::store::tx::Tx;

pub use crate::store::sessions::{Listed, Opened, Way};
pub use crate::store::sign_in_policies::Policy;

/// After how long without a request a session is over, unless a workspace says otherwise.
pub const IDLE: Duration = Duration::from_mins(30);
/// After how long it is over in any case, unless a workspace says otherwise.
pub const ABSOLUTE: Duration = Duration::from_hours(12);
/// The most that a workspace may say of either.
pub const IDLE_MOST: Duration = Duration::from_hours(24);
/// The same of the other.
pub const ABSOLUTE_MOST: Duration = Duration::from_hours(30 * 24);
/// How many live sessions a member has at most; the oldest ends with the next.
pub const MOST: i64 = 50;
/// How exactly it is known when a session was last seen.
const SEEN: Duration = Duration::from_mins(1);
/// How long a session that is over is kept.
const KEPT: Duration = Duration::from_hours(24);
/// How many are forgotten at a time.
const BATCH: i64 = 500;
/// How much of what a browser says of itself is kept, in characters.
const BROWSER: usize = 200;

/// What a browser says it is, shortened.
#[derive(Debug, Clone, Default)]
pub struct Browser(Option<String>);

impl Browser {
    /// Of a `User-Agent` header.
    pub fn of(header: Option<&str>) -> Self {
        let shown = |text: &str| -> String {
            let kept = text.chars().filter(|c| !c.is_control());
            kept.take(BROWSER).collect()
        };
        Self(header.map(shown))
    }
}

/// A session before it is kept.
#[derive(Clone)]
pub struct Minted {
    /// Its id.
    pub id: SessionId,
    text: SecretString,
    hash: [u8; 32],
    browser: Browser,
}

impl Minted {
    /// What the browser gets.
    pub fn begun(self) -> Begun {
        Begun { token: self.text }
    }
}

/// A session that has begun.
pub struct Begun {
    /// What the browser shows from now on; not to be had again.
    pub token: SecretString,
}

/// Who is there, by a valid session.
#[derive(Debug, Clone)]
pub struct Present {
    /// The session.
    pub session: SessionId,
    /// Whether it is an operator's.
    pub operator: bool,
    /// The workspaces that it opens now.
    pub opened: Vec<Opened>,
}

/// The hash of a session's token; none of what is no such token.
pub fn hash(text: &str) -> Option<[u8; 32]> {
    match tokens::parse(text) {
        Some((Door::Session, hash)) => Some(hash),
        _ => None,
    }
}

/// Makes the token of a session.
pub fn mint(app: &App, browser: Browser) -> Result<Minted> {
    check_clock(app)?;
    let (text, hash) = tokens::mint(Door::Session)?;
    Ok(Minted {
        id: SessionId::new(),
        text,
        hash,
        browser,
    })
}

/// How people may sign in to a workspace, and for how long.
pub async fn policy(tx: &mut Tx, workspace: WorkspaceId) -> Result<Policy> {
    let own = sign_in_policies::find(tx, workspace).await?;
    Ok(own.unwrap_or_else(|| Policy {
        sso_enforced: false,
        idle_seconds: seconds(IDLE),
        absolute_seconds: seconds(ABSOLUTE),
    }))
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// What the time is, and what holds where a workspace says nothing.
fn times(now: Timestamp) -> Times {
    Times {
        now,
        idle_seconds: seconds(IDLE),
        absolute_seconds: seconds(ABSOLUTE),
    }
}

/// Begins a session for a member who is in and locked, or for an operator. The member's oldest one
/// ends where there are [`MOST`].
pub async fn begin(
    tx: &mut Tx,
    minted: &Minted,
    opened: Option<((WorkspaceId, MemberId), Way)>,
    at: Timestamp,
) -> Result<()> {
    let absolute = match &opened {
        Some(((workspace, _), _)) => policy(tx, *workspace).await?.absolute_seconds,
        None => seconds(ABSOLUTE),
    };
    let life = Duration::from_secs(u64::try_from(absolute).unwrap_or_default());
    let session = NewSession {
        id: minted.id,
        hash: minted.hash,
        operator: opened.is_none(),
        browser: minted.browser.0.clone(),
        at,
        expires_at: at.after(life),
    };
    if let Some((member, _)) = &opened {
        rows::end_of_member(tx, *member, (MOST - 1, None)).await?;
    }
    rows::insert(tx, &session).await?;
    if let Some((member, way)) = opened
        && !rows::open(tx, session.id, member, &way).await?
    {
        return Err(Error::Unauthenticated);
    }
    Ok(())
}

/// Ends the session that a browser showed before it got another, which opens from now on what that one
/// opened beside a workspace. Without a workspace nothing is taken along.
pub async fn follow(
    tx: &mut Tx,
    minted: &Minted,
    former: &[u8; 32],
    workspace: Option<WorkspaceId>,
    at: Timestamp,
) -> Result<()> {
    if let Some(former) = rows::find(tx, former, at, at.before(IDLE_MOST)).await? {
        if let Some(workspace) = workspace {
            rows::carry(tx, (former.id, minted.id), workspace, times(at)).await?;
        }
        rows::end(tx, former.id, at).await?;
    }
    Ok(())
}

/// Who is there; [`Error::Unauthenticated`] where the session is over, or opens nothing any more.
pub async fn present(app: &App, token: &str) -> Result<Present> {
    check_clock(app)?;
    let (hash, now) = (hash(token).ok_or(Error::Unauthenticated)?, app.clock.now());
    let mut tx = app.db.read().await?;
    let live = rows::find(&mut tx, &hash, now, now.before(IDLE_MOST)).await?;
    let live = live.ok_or(Error::Unauthenticated)?;
    let opened = rows::list_opened(&mut tx, live.id, times(now)).await?;
    drop(tx);
    let is_operator = live.operator && live.seen_at > now.before(IDLE);
    if opened.is_empty() && !is_operator {
        return Err(Error::Unauthenticated);
    }
    if live.seen_at < now.before(SEEN) {
        let session = live.id;
        app.write(move |tx| {
            Box::pin(async move {
                rows::close_over(tx, session, times(now)).await?;
                Ok(rows::touch(tx, session, now).await?)
            })
        })
        .await?;
    }
    Ok(Present {
        session: live.id,
        operator: live.operator,
        opened,
    })
}

/// Ends the session of a token; one that is over already is left so.
pub async fn sign_out(app: &App, origin: &Origin, token: &str) -> Result<()> {
    let Ok(present) = present(app, token).await else {
        return Ok(());
    };
    let (at, origin) = (app.clock.now(), origin.clone());
    app.write(move |tx| {
        let (present, origin) = (present.clone(), origin.clone());
        Box::pin(async move {
            if rows::end(tx, present.session, at).await? {
                for opened in &present.opened {
                    let member = (opened.workspace, opened.member);
                    tell_ended(tx, &origin, member, present.session, at).await?;
                }
            }
            Ok(())
        })
    })
    .await
}

/// The live sessions of a member, the newest first.
pub async fn list(app: &App, member: (WorkspaceId, MemberId)) -> Result<Vec<Listed>> {
    let (mut tx, now) = (app.db.one().await?, app.clock.now());
    Ok(rows::list_of_member(&mut tx, member, times(now)).await?)
}

/// Ends one live session of a member, as far as it opens the member's workspace; another's is [`Error::NotFound`].
pub async fn end(
    app: &App,
    origin: &Origin,
    member: (WorkspaceId, MemberId),
    session: SessionId,
) -> Result<()> {
    let (at, origin) = (app.clock.now(), origin.clone());
    app.write(move |tx| {
        let origin = origin.clone();
        Box::pin(async move {
            let live = rows::list_of_member(tx, member, times(at)).await?;
            if !live.iter().any(|it| it.id == session) || !rows::close(tx, member, session).await? {
                return Err(Error::NotFound("session"));
            }
            tell_ended(tx, &origin, member, session, at).await
        })
    })
    .await
}

/// Ends the sessions of a member, but for one, as far as they open the member's workspace; tells how
/// many.
pub async fn end_all(
    app: &App,
    origin: &Origin,
    member: (WorkspaceId, MemberId),
    but: Option<SessionId>,
) -> Result<u64> {
    let act = Act::of(app, origin, member.0);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let count = rows::end_of_member(tx, member, (0, but)).await?;
            if count > 0 {
                let subject = ("member", member.1.0);
                let detail = json!({"count": count});
                let change = act.change("session.all_ended", subject, None, &detail);
                changes::record(tx, member.0, &[change]).await?;
            }
            Ok(count)
        })
    })
    .await
}

async fn tell_ended(
    tx: &mut Tx,
    origin: &Origin,
    (workspace, member): (WorkspaceId, MemberId),
    session: SessionId,
    at: Timestamp,
) -> Result<()> {
    let act = Act {
        origin: origin.clone(),
        workspace,
        directory: None,
        at,
    };
    let detail = json!({"session": session});
    let change = act.change("session.ended", ("member", member.0), None, &detail);
    changes::record(tx, workspace, &[change]).await
}

/// Forgets a batch of sessions and links that are over; tells how many.
pub async fn forget(app: &App) -> Result<usize> {
    let before = app.clock.now().before(KEPT);
    let forgotten = app.write(move |tx| {
        Box::pin(async move {
            let links = one_time_links::delete_old(tx, before, BATCH).await?;
            Ok(links + rows::delete_old(tx, before, BATCH).await?)
        })
    });
    Ok(usize::try_from(forgotten.await?).unwrap_or(usize::MAX))
}
