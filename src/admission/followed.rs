//! Fields of a member beside names and address that follow its directory: phone, language, time zone
//! and manager. What the directory says is the directory's; what it takes back is empty, and what it
//! never spoke of stays the admins'.
//!
//! A manager is a User of the same directory, by id, userName or externalId. One who is not there
//! yet is waited for, and found when it is made ([`super::reports`] where both are made at once). One
//! who reports to the person is waited for as well: a directory that turns two people round may say
//! the one before the other, and whichever comes first, what it says in the end holds. Two requests
//! that make each other's people managers at the same moment can close a circle: to keep that out,
//! every such request would wait for every other one of the workspace.

use serde_json::json;

use super::settle::settle_profiles;
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{MemberId, UserId};
use crate::scim::fold;
use crate::scim::resource::{self, Note, Reason, UserCore};
use crate::store::details::{self, Details};
use crate::store::managers as rows;
use crate::store::members::{self, Member};
use crate::store::tx::Tx;
use crate::store::users::{self, Place, User};
use crate::workspace::persons;
use crate::workspace::profile::{Edit, Field, Manual, Say};
use crate::workspace::told;

/// What a directory says of these fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// A number, in whatever form.
    pub phone: Option<String>,
    /// A language, or several by preference.
    pub language: Option<String>,
    /// A time zone.
    pub time_zone: Option<String>,
    /// What the manager is called.
    pub manager: Option<String>,
}

impl Said {
    /// What a document says of these fields.
    pub fn of(core: &UserCore<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            phone: owned(core.phone),
            language: owned(core.preferred_language),
            time_zone: owned(core.time_zone),
            manager: owned(core.manager),
        }
    }

    /// The phone and the time zone that a member comes to show by it.
    pub(super) fn fitting(&self) -> (Option<String>, Option<String>) {
        let (phone, _, time_zone) = checked(self);
        let fitting = |fit: Fit| fit.and_then(Result::ok);
        (fitting(phone), fitting(time_zone))
    }

    /// Whether it says nothing at all.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// Brings these fields of a member in line with a User that was written, where they differ from what
/// it said before. The member is locked, or new in this transaction.
pub async fn follow(
    tx: &mut Tx,
    app: &App,
    (act, place): (&Act, Place),
    (user, member): (UserId, MemberId),
    (before, said): (&Said, &Said),
) -> Result<()> {
    let mut found = members::lock(tx, act.workspace, &[member]).await?;
    let Some(member) = found.pop() else {
        return Ok(());
    };
    let details = details::list(tx, act.workspace, &[member.id]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    let mut written = Written {
        manual: Manual::of(&member.manual),
        ruled: Manual::of(&member.ruled),
        details: details.clone(),
        notes: Vec::new(),
    };
    let taken = |before: &Option<String>, said: &Option<String>| before.is_some() && said.is_none();
    let (phone, language, time_zone) = checked(said);
    for (field, now, was_taken) in [
        (Field::Phone, phone, taken(&before.phone, &said.phone)),
        (
            Field::Language,
            language,
            taken(&before.language, &said.language),
        ),
        (
            Field::TimeZone,
            time_zone,
            taken(&before.time_zone, &said.time_zone),
        ),
    ] {
        written.set(field, now, was_taken);
    }
    if before.manager != said.manager {
        manager(tx, (act, place), (user, &member), (said, &mut written)).await?;
    }
    written.store(tx, app, act, &member, &details).await
}

/// A User that was there already is linked to a member now, which shows what the User says.
pub(super) async fn linked(
    tx: &mut Tx,
    app: &App,
    at: (&Act, Place),
    (user, member): (&User, MemberId),
    is_awaited: bool,
) -> Result<()> {
    let document = resource::from_stored(&user.document)?;
    let said = Said::of(&resource::user_core(&document));
    if !said.is_silent() {
        follow(tx, app, at, (user.id, member), (&Said::default(), &said)).await?;
    }
    if is_awaited {
        let names = (user.user_name_key.as_str(), user.external_id.as_deref());
        arrived(tx, app, at, names, member).await?;
    }
    Ok(())
}

/// Gives a User that was just made to those who waited for it as their manager.
pub async fn arrived(
    tx: &mut Tx,
    app: &App,
    (act, place): (&Act, Place),
    names: (&str, Option<&str>),
    manager: MemberId,
) -> Result<()> {
    let waiting = rows::list_waiting(tx, place, names).await?;
    let ids: Vec<_> = waiting.iter().filter_map(|user| user.member).collect();
    let reports = members::lock(tx, act.workspace, &ids).await?;
    let mut circles = Vec::new();
    for user in &waiting {
        match user.member {
            Some(member) if details::reports_to(tx, act.workspace, manager, member).await? => {
                circles.push(member);
            }
            _ => {
                rows::update_awaited(tx, place, user.id, None).await?;
            }
        }
    }
    for report in reports {
        if circles.contains(&report.id) {
            continue;
        }
        let details = details::list(tx, act.workspace, &[report.id]).await?.pop();
        let details = details.map(|of| of.details).unwrap_or_default();
        let mut written = Written {
            manual: Manual::of(&report.manual),
            ruled: Manual::of(&report.ruled),
            details: details.clone(),
            notes: Vec::new(),
        };
        written.report(tx, act, report.id, manager).await?;
        written.store(tx, app, act, &report, &details).await?;
    }
    settle_profiles(tx, app, act, &ids).await
}

/// Gives a User that waits for its manager the one who is there by now; false if nobody is, or it waits
/// no longer.
pub(super) async fn retry(
    tx: &mut Tx,
    app: &App,
    (act, place): (&Act, Place),
    user: UserId,
) -> Result<bool> {
    let Some(user) = users::lock(tx, place, user).await? else {
        return Ok(false);
    };
    let Some(member) = user.member else {
        return Ok(false);
    };
    let mut found = members::lock(tx, act.workspace, &[member]).await?;
    let Some(report) = found.pop() else {
        return Ok(false);
    };
    let document = resource::from_stored(&user.document)?;
    let said = Said::of(&resource::user_core(&document));
    let details = details::list(tx, act.workspace, &[member]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    let mut written = Written {
        manual: Manual::of(&report.manual),
        ruled: Manual::of(&report.ruled),
        details: details.clone(),
        notes: Vec::new(),
    };
    let who = (user.id, &report);
    manager(tx, (act, place), who, (&said, &mut written)).await?;
    // The request that said so was told.
    written.notes.clear();
    let is_linked = written.details.manager.is_some();
    written.store(tx, app, act, &report, &details).await?;
    settle_profiles(tx, app, act, &[member]).await?;
    Ok(is_linked)
}

/// What becomes of the fields of a member.
struct Written {
    manual: Manual,
    /// The fields that rules filled in.
    ruled: Manual,
    details: Details,
    notes: Vec<Note>,
}

/// What the directory says of a field: nothing, something, or something that does not fit.
type Fit = Option<Result<String>>;

fn checked(said: &Said) -> (Fit, Fit, Fit) {
    let checked = |edit: Edit| edit.checked();
    let phone = said.phone.as_deref().map(|phone| {
        let phone = Say::Set(phone.trim_start_matches("tel:").to_owned());
        let edit = checked(Edit {
            phone,
            ..Edit::default()
        });
        edit.map(|edit| edit.phone.set().cloned().unwrap_or_default())
    });
    let language = said.language.as_deref().map(|language| {
        // The first of those that are asked for (RFC 9110 section 12.5.4), also as POSIX writes it.
        let first = language.split([',', ';']).next().unwrap_or_default();
        let language = Say::Set(first.trim().replace('_', "-"));
        let edit = checked(Edit {
            language,
            ..Edit::default()
        });
        edit.map(|edit| edit.language.set().cloned().unwrap_or_default())
    });
    let time_zone = said.time_zone.as_deref().map(|time_zone| {
        let time_zone = Say::Set(time_zone.to_owned());
        let edit = checked(Edit {
            time_zone,
            ..Edit::default()
        });
        edit.map(|edit| edit.time_zone.set().cloned().unwrap_or_default())
    });
    (phone, language, time_zone)
}

impl Written {
    /// Writes a text, or takes away what the directory took back.
    fn set(&mut self, field: Field, said: Fit, was_taken: bool) {
        let place = match field {
            Field::Phone => &mut self.details.phone,
            Field::Language => &mut self.details.language,
            _ => &mut self.details.time_zone,
        };
        match said {
            Some(Ok(text)) => {
                *place = Some(text);
                self.manual.0.remove(&field);
                self.ruled.0.remove(&field);
            }
            Some(Err(_)) => {
                let path = match field {
                    Field::Phone => "phoneNumbers",
                    Field::Language => "preferredLanguage",
                    _ => "timezone",
                };
                self.notes.push(Note::new(path, Reason::Unfit));
            }
            None if was_taken && !self.manual.0.contains(&field) => *place = None,
            None => {}
        }
    }

    /// Makes somebody the manager, unless that would be a circle; tells whether it is one.
    async fn report(
        &mut self,
        tx: &mut Tx,
        act: &Act,
        member: MemberId,
        manager: MemberId,
    ) -> Result<bool> {
        if details::reports_to(tx, act.workspace, manager, member).await? {
            self.notes.push(Note::new("manager", Reason::Circle));
            return Ok(false);
        }
        self.details.manager = Some(manager);
        self.manual.0.remove(&Field::Manager);
        Ok(true)
    }

    async fn store(
        self,
        tx: &mut Tx,
        app: &App,
        act: &Act,
        member: &Member,
        before: &Details,
    ) -> Result<()> {
        let manual = self.manual.to_text();
        let is_same = (&self.details, &manual, &self.ruled.to_text())
            == (before, &member.manual, &member.ruled);
        if is_same && self.notes.is_empty() {
            return Ok(());
        }
        let user_id_key = self.details.user_id.as_deref().map(fold::key);
        let kept = (user_id_key.as_deref(), manual.as_str());
        details::update(tx, act.workspace, member.id, &self.details, kept).await?;
        let ruled = self.ruled.to_text();
        if ruled != member.ruled {
            let Details {
                line, line_number, ..
            } = &self.details;
            let line = (line.as_deref(), line_number.as_deref());
            let language = (self.details.language.as_deref(), ruled.as_str());
            details::update_ruled(tx, act.workspace, member.id, line, language, None).await?;
        }
        let of = [member.id];
        members::update_versions(tx, act.workspace, &of, member.rules_version, act.at).await?;
        let detail = json!({"status": member.status, "notes": self.notes});
        let version = Some(member.version + 1);
        let change = act.change("member.updated", ("member", member.id.0), version, &detail);
        let key = persons::key(tx, app, act.workspace, member.person).await?;
        let personal = told::details(&self.details);
        let change = changes::seal(change, act.workspace, (member.person, &key), &personal)?;
        changes::record(tx, act.workspace, &[change]).await
    }
}

/// What the directory says of the manager: nobody, somebody, or somebody who is not there yet.
async fn manager(
    tx: &mut Tx,
    (act, place): (&Act, Place),
    (user, member): (UserId, &Member),
    (said, written): (&Said, &mut Written),
) -> Result<()> {
    let Some(name) = said
        .manager
        .as_deref()
        .filter(|name| !name.trim().is_empty())
    else {
        rows::update_awaited(tx, place, user, None).await?;
        if !written.manual.0.contains(&Field::Manager) {
            written.details.manager = None;
        }
        return Ok(());
    };
    let key = fold::key(name);
    if key.len() > fold::KEY || name.contains('\0') {
        written.notes.push(Note::new("manager", Reason::Unfit));
        return Ok(());
    }
    let found = rows::list_named(tx, place, (name, &key)).await?;
    let found: Vec<_> = found.into_iter().filter_map(|user| user.member).collect();
    let is_linked = match found.as_slice() {
        [manager] => written.report(tx, act, member.id, *manager).await?,
        _ => false,
    };
    let awaited = (!is_linked).then_some(key.as_str());
    rows::update_awaited(tx, place, user, awaited).await?;
    // Whom the directory named before it names no longer.
    if !is_linked && !written.manual.0.contains(&Field::Manager) {
        written.details.manager = None;
    }
    Ok(())
}
