//! Who of those whom the workspace has is meant by somebody who signs in through a connection.
//!
//! Somebody is known by what the provider says and nobody edits; by anything else only once, to be
//! linked: by the directory of the same provider, or by an address that the provider vouches for in a
//! domain that the workspace proved. Nothing is ever linked by an address alone.

use std::collections::BTreeSet;

use serde_json::json;

use super::shown::{Before, Doubted};
use super::{entry, join_requests};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId};
use crate::scim::fold;
use crate::store::identities::{self, Likely};
use crate::store::members::{self, Hold, Member, Profile, Source, Status};
use crate::store::tx::Tx;
use crate::store::workspaces;
use crate::workspace::awaiting::{self, Reason};
use crate::workspace::edit::profile_of;
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::{guard, persons, seats, told};

pub use crate::store::identities::Identity;

/// Somebody whom a provider vouches for.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who it is there, for good.
    pub identity: Identity,
    /// Under which name a directory of the same provider knows the person.
    pub known_as: Option<KnownAs>,
    /// The address.
    pub email: Option<String>,
    /// Whether the provider says that the address is the person's own, and is to be believed.
    pub is_vouched: bool,
    /// The name for people.
    pub display_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// What becomes of somebody whom the workspace does not have.
    pub newcomer: Newcomer,
    /// The teams and roles of a new member, by id; those that are gone are left out.
    pub rights: Vec<Right>,
}

/// What becomes of somebody whom the workspace does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomer {
    /// Nothing.
    Refused,
    /// A new member, where the provider vouches for an address in a proved domain.
    Proved,
    /// An admin is asked.
    Asks,
    /// A new member: an admin said so.
    Welcome,
}

/// How a directory names somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownAs {
    /// By that `externalId`.
    ExternalId(DirectoryId, String),
    /// By that userName.
    UserName(DirectoryId, String),
}

/// Why somebody whom a provider vouches for is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The workspace does not have the person, and takes nobody by a login alone.
    Unknown,
    /// The workspace has one of that address, and nothing proves that this is the person.
    Unproved,
    /// Several might be meant.
    Several,
    /// The member is somebody else at the provider already.
    AnotherIdentity,
    /// The person left.
    Left,
    /// The member is shut out.
    ShutOut,
    /// The member waits for a seat.
    NoSeat,
    /// An admin is asked.
    Asked,
    /// An admin was asked, and declined.
    Declined,
}

impl Why {
    /// What the log of changes calls it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unproved => "unproved",
            Self::Several => "several",
            Self::AnotherIdentity => "another_identity",
            Self::Left => "left",
            Self::ShutOut => "shut_out",
            Self::NoSeat => "no_seat",
            Self::Asked => "asked",
            Self::Declined => "declined",
        }
    }
}

/// How somebody was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// By an identity that is linked.
    Identity,
    /// By the directory of the same provider.
    Directory,
    /// By an address that is proved.
    Address,
}

/// Who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognized {
    /// One whom the workspace has, and how it was found.
    Member(MemberId, Found),
    /// Nobody, who may become a member.
    New,
    /// Nobody, who may ask to become one.
    Asks,
    /// Nobody, or nobody who may come in.
    Refused(Why),
}

/// Says who is meant; nothing changes by it.
pub async fn recognize(tx: &mut Tx, act: &Act, visitor: &Visitor) -> Result<Recognized> {
    let workspace = act.workspace;
    let identity = &visitor.identity;
    if let Some(member) = identities::find(tx, workspace, identity).await? {
        return Ok(Recognized::Member(member, Found::Identity));
    }
    let by_directory = match &visitor.known_as {
        None => Vec::new(),
        Some(KnownAs::ExternalId(directory, id)) => {
            identities::list_by_external_id(tx, workspace, *directory, id).await?
        }
        Some(KnownAs::UserName(directory, name)) => {
            let key = fold::key(name);
            identities::list_by_user_name(tx, workspace, *directory, &key).await?
        }
    };
    if let Some(found) = one_of(tx, act, visitor, (&by_directory, Found::Directory)).await? {
        return Ok(found);
    }
    let key = visitor.email.as_deref().map(fold::key);
    let is_proved = is_proved(tx, act, visitor).await?;
    if let Some(key) = &key {
        let by_address = identities::list_by_address(tx, workspace, key).await?;
        if !is_proved && !by_address.is_empty() {
            return Ok(Recognized::Refused(Why::Unproved));
        }
        if let Some(found) = one_of(tx, act, visitor, (&by_address, Found::Address)).await? {
            return Ok(found);
        }
    }
    let external_id = match &visitor.known_as {
        Some(KnownAs::ExternalId(directory, id)) => Some((*directory, id.as_str())),
        _ => None,
    };
    if identities::has_left(tx, workspace, (key.as_deref(), external_id)).await? {
        return Ok(Recognized::Refused(Why::Left));
    }
    Ok(match visitor.newcomer {
        Newcomer::Proved if is_proved => Recognized::New,
        Newcomer::Welcome => Recognized::New,
        Newcomer::Asks => Recognized::Asks,
        Newcomer::Refused | Newcomer::Proved => Recognized::Refused(Why::Unknown),
    })
}

/// The one of those who were found; none if there is none.
async fn one_of(
    tx: &mut Tx,
    act: &Act,
    visitor: &Visitor,
    (found, how): (&[Likely], Found),
) -> Result<Option<Recognized>> {
    let [one] = found else {
        let several = Recognized::Refused(Why::Several);
        return Ok((!found.is_empty()).then_some(several));
    };
    if one.status == Status::Removed {
        return Ok(Some(Recognized::Refused(Why::Left)));
    }
    let of = (one.member, visitor.identity.connection);
    if identities::is_known(tx, act.workspace, of).await? {
        return Ok(Some(Recognized::Refused(Why::AnotherIdentity)));
    }
    Ok(Some(Recognized::Member(one.member, how)))
}

/// Whether the provider vouches for an address in a domain that the workspace proved.
async fn is_proved(tx: &mut Tx, act: &Act, visitor: &Visitor) -> Result<bool> {
    let Some((_, domain)) = visitor.email.as_deref().and_then(|it| it.rsplit_once('@')) else {
        return Ok(false);
    };
    if !visitor.is_vouched {
        return Ok(false);
    }
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
        return Ok(false);
    };
    let proved = identities::list_proved(tx, act.workspace).await?;
    let proved: BTreeSet<String> = proved.into_iter().collect();
    Ok(proved.contains(&domain))
}

/// Lets somebody in who is meant, linked from now on, or says why not. The member is locked.
pub async fn admit(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    visitor: &Visitor,
) -> Result<Result<Member, Why>> {
    let workspace = act.workspace;
    let identity = &visitor.identity;
    let member = if let Some(member) = identities::find(tx, workspace, identity).await? {
        let member = lock(tx, act, member).await?;
        if let Some(why) = kept_out(&member) {
            return Ok(Err(why));
        }
        identities::touch(tx, workspace, identity, act.at).await?;
        member
    } else {
        // Two first logins at once would both find nobody; so would a directory.
        let mark = workspaces::lock_whole(tx, workspace).await?;
        match recognize(tx, act, visitor).await? {
            Recognized::Refused(why) => return Ok(Err(why)),
            Recognized::Asks => return Ok(Err(join_requests::note(tx, app, act, visitor).await?)),
            Recognized::New => {
                // What a connection gives is what the workspace's admins said, whoever comes in.
                let by = (act, &Scopes::everything());
                make(tx, app, by, mark.rules_version, visitor).await?
            }
            Recognized::Member(member, how) => {
                let member = lock(tx, act, member).await?;
                match link(tx, app, act, visitor, (member, how)).await? {
                    Ok(member) => member,
                    Err(why) => return Ok(Err(why)),
                }
            }
        }
    };
    Ok(match kept_out(&member) {
        Some(why) => Err(why),
        None => Ok(member),
    })
}

/// Lets somebody in as an admin says, linked from now on, or says why not. The workspace is locked as
/// a whole.
pub(super) async fn welcome(
    tx: &mut Tx,
    app: &App,
    by: (&Act, &Scopes),
    rules_version: i64,
    visitor: &Visitor,
) -> Result<Result<Member, Why>> {
    let act = by.0;
    match recognize(tx, act, visitor).await? {
        Recognized::Refused(why) => Ok(Err(why)),
        Recognized::Asks => Ok(Err(Why::Unknown)),
        Recognized::New => make(tx, app, by, rules_version, visitor).await.map(Ok),
        Recognized::Member(member, Found::Identity) => lock(tx, act, member).await.map(Ok),
        Recognized::Member(member, how) => {
            let member = lock(tx, act, member).await?;
            link(tx, app, act, visitor, (member, how)).await
        }
    }
}

fn kept_out(member: &Member) -> Option<Why> {
    match member.status {
        Status::Removed => Some(Why::Left),
        Status::Active if member.held_at.is_some() => Some(Why::ShutOut),
        Status::Active if member.waiting_at.is_some() => Some(Why::NoSeat),
        Status::Active => None,
        Status::Suspended | Status::Draft | Status::Invited => Some(Why::ShutOut),
    }
}

/// Links a locked member, who comes in by it if it was expected.
async fn link(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    visitor: &Visitor,
    (member, how): (Member, Found),
) -> Result<Result<Member, Why>> {
    let is_expected = matches!(member.status, Status::Draft | Status::Invited);
    if member.barred_at.is_some() {
        return Ok(Err(Why::ShutOut));
    }
    if !is_expected && let Some(why) = kept_out(&member) {
        return Ok(Err(why));
    }
    let before = Before::of(tx, app, act, Some(&member), Doubted::Unseen).await?;
    know(tx, act, visitor, member.id).await?;
    let member = if is_expected {
        let profile = filled(&member, visitor, is_proved(tx, act, visitor).await?);
        come_in(tx, app, act, (&member, profile)).await?
    } else {
        member
    };
    if how == Found::Address {
        awaiting::begin(tx, act, &member, Reason::Proof).await?;
    }
    let identity = &visitor.identity;
    let detail = json!({"connection": identity.connection, "by": how});
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    let subject = ("member", member.id.0);
    let change = act.change("identity.linked", subject, None, &detail);
    let personal = json!({"issuer": identity.issuer, "subject": identity.subject});
    let change = changes::seal(change, act.workspace, (member.person, &key), &personal)?;
    changes::record(tx, act.workspace, &[change]).await?;
    let member = lock(tx, act, member.id).await?;
    settled(tx, act, before, member).await.map(Ok)
}

/// Makes a member who comes in by the login.
async fn make(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    rules_version: i64,
    visitor: &Visitor,
) -> Result<Member> {
    let before = Before::of(tx, app, act, None, Doubted::Seen).await?;
    let made = entry::make(tx, app, act, Source::Login, rules_version).await?;
    let profile = filled(&made, visitor, is_proved(tx, act, visitor).await?);
    fold::check_key(profile.email_key.as_deref().unwrap_or_default(), "email")?;
    know(tx, act, visitor, made.id).await?;
    let member = come_in(tx, app, act, (&made, profile)).await?;
    let mut rights = Vec::new();
    for right in &visitor.rights {
        if manual::is_there(tx, app, act, right).await? {
            rights.push(right.clone());
        }
    }
    manual::give_within(tx, app, (act, scopes), &member, &rights).await?;
    let member = lock(tx, act, member.id).await?;
    settled(tx, act, before, member).await
}

/// A member who came in, with what rules over profiles give it.
async fn settled(tx: &mut Tx, act: &Act, before: Option<Before>, member: Member) -> Result<Member> {
    let Some(before) = before else {
        return Ok(member);
    };
    // What rules give is what the workspace's admins said, whoever comes in.
    let everything = Scopes::everything();
    before.settle(tx, (act, &everything), member.id).await?;
    lock(tx, act, member.id).await
}

/// Lets a locked member in who was expected.
async fn come_in(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (member, profile): (&Member, Profile),
) -> Result<Member> {
    let outcome = (Status::Active, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(member), Status::Active).await?;
    let detail = json!({"status": Status::Active, "before": member.status});
    let version = Some(member.version + 1);
    let change = act.change("member.let_in", ("member", member.id.0), version, &detail);
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    let personal = told::profile(&profile);
    let change = changes::seal(change, act.workspace, (member.person, &key), &personal)?;
    changes::record(tx, act.workspace, &[change]).await?;
    guard::let_go(tx, act).await?;
    lock(tx, act, member.id).await
}

/// What the member shows, and what the provider says where it shows nothing. An address that nothing
/// proves is not shown: it would find the member for whoever proves later that it is theirs.
fn filled(member: &Member, visitor: &Visitor, is_proved: bool) -> Profile {
    let before = profile_of(member);
    let proved = visitor.email.clone().filter(|_| is_proved);
    let email = before.email.clone().or(proved);
    Profile {
        display_name: before.display_name.or_else(|| visitor.display_name.clone()),
        given_name: before.given_name.or_else(|| visitor.given_name.clone()),
        family_name: before.family_name.or_else(|| visitor.family_name.clone()),
        email_key: email.as_deref().map(fold::key),
        email,
        ..before
    }
}

async fn know(tx: &mut Tx, act: &Act, visitor: &Visitor, member: MemberId) -> Result<()> {
    let identity = &visitor.identity;
    let is_proved = is_proved(tx, act, visitor).await?;
    let key = visitor.email.as_deref().map(fold::key);
    let key = key.filter(|_| is_proved);
    let of = (member, key.as_deref());
    if identities::insert(tx, act.workspace, identity, of, act.at).await? {
        Ok(())
    } else {
        Err(Error::Retry(anyhow::anyhow!(
            "the identity was linked meanwhile"
        )))
    }
}

async fn lock(tx: &mut Tx, act: &Act, member: MemberId) -> Result<Member> {
    let found = members::lock(tx, act.workspace, &[member]).await?.pop();
    found.ok_or(Error::NotFound("member"))
}
