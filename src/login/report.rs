//! A test login: what a connection makes of the admin who tests it, before anybody signs in by it.

use serde::Serialize;

use super::claims::Person;
use super::connections::{self, Connection, ConnectionKind};
use super::refused::Refused;
use super::settings::Attribute;
use crate::accounts::sessions;
use crate::admission::first_login::{self, Found, Recognized, Why};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{ConnectionId, SessionId, WorkspaceId};
use crate::scim::fold;
use crate::store::connections as rows;
use crate::store::identities;
use crate::store::{api_keys, members};

/// What a test login showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The connection's name.
    pub connection: String,
    /// Each claim, as JSON.
    pub claims: Vec<(String, String)>,
    /// Who the person is at the provider, for good.
    pub subject: String,
    /// Whom the login would let in, and how that was found.
    pub outcome: Outcome,
    /// What will not work as it is set up.
    pub warnings: Vec<Warning>,
}

/// What a login would come to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// That member is let in; its name.
    Member(String, Found),
    /// A new member.
    New,
    /// A request, about which an admin decides.
    Asks,
    /// Nobody, and why.
    Refused(Why),
}

/// What will not work as it is set up, each with its remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Entra's `sub` is another one for each application.
    PairwiseSubject,
    /// The directory of the same provider has the person under another `externalId`.
    OtherExternalId,
    /// No address came.
    NoAddress,
    /// The address is not said to be the person's own.
    AddressNotVouched,
    /// The person's name at sign-in is not the person's address.
    NameIsNotAddress,
    /// There were too many groups for the token.
    GroupsLeftOut,
}

impl Warning {
    /// What the texts of pages call it.
    pub fn key(self) -> &'static str {
        match self {
            Self::PairwiseSubject => "warning-pairwise-subject",
            Self::OtherExternalId => "warning-other-external-id",
            Self::NoAddress => "warning-no-address",
            Self::AddressNotVouched => "warning-address-not-vouched",
            Self::NameIsNotAddress => "warning-name-is-not-address",
            Self::GroupsLeftOut => "warning-groups-left-out",
        }
    }
}

/// A workspace whose connections the person of a session may test: one in which it may do everything.
/// Else [`Error::NotFound`], or [`Error::Forbidden`].
pub async fn tester(
    app: &App,
    token: &str,
    workspace: WorkspaceId,
) -> Result<(SessionId, WorkspaceId)> {
    let present = sessions::present(app, token).await?;
    let opened = present.opened.iter().find(|it| it.workspace == workspace);
    let opened = opened.ok_or(Error::NotFound("workspace"))?;
    let mut tx = app.db.one().await?;
    let rights = api_keys::find_rights(&mut tx, opened.workspace, opened.member).await?;
    if rights.are_all() {
        Ok((present.session, opened.workspace))
    } else {
        Err(Error::Forbidden)
    }
}

/// What a test came to. The connection is proved by it as it is set now.
pub async fn prove(
    app: &App,
    origin: &Origin,
    person: &Person,
    connection: &Connection,
) -> Result<Report, Refused> {
    let act = Act::of(app, origin, connection.workspace);
    let mut tx = app.db.one().await?;
    let recognized = first_login::recognize(&mut tx, &act, &person.visitor).await?;
    let outcome = match recognized {
        Recognized::Member(member, how) => {
            let found = members::find(&mut tx, act.workspace, member).await;
            let found = found.map_err(Error::from)?;
            let name = found.and_then(|it| it.display_name.or(it.email).or(it.user_name));
            Outcome::Member(name.unwrap_or_default(), how)
        }
        Recognized::New => Outcome::New,
        Recognized::Asks => Outcome::Asks,
        Recognized::Refused(why) => Outcome::Refused(why),
    };
    drop(tx);
    let warnings = warnings(app, (person, connection), &outcome).await?;
    record(app, &act, (connection.id, connection.version)).await?;
    let claims = person.claims.as_object().into_iter().flatten();
    Ok(Report {
        connection: connection.name.clone(),
        claims: claims
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
        subject: person.visitor.identity.subject.clone(),
        outcome,
        warnings,
    })
}

async fn record(app: &App, act: &Act, (id, version): (ConnectionId, i64)) -> Result<(), Refused> {
    let act = act.clone();
    let proved = app
        .write(move |tx| {
            let act = act.clone();
            Box::pin(async move {
                let workspace = act.workspace;
                if !rows::update_proved(tx, workspace, id, version, act.at).await? {
                    return Ok(false);
                }
                let subject = ("connection", id.0);
                let detail = serde_json::json!({"version": version});
                let change = act.change("connection.proved", subject, None, &detail);
                changes::record(tx, workspace, &[change]).await?;
                Ok(true)
            })
        })
        .await?;
    if proved {
        Ok(())
    } else {
        Err(Refused::Connection)
    }
}

async fn warnings(
    app: &App,
    (person, connection): (&Person, &Connection),
    outcome: &Outcome,
) -> Result<Vec<Warning>> {
    let settings = connections::settings(connection)?;
    let (claims, visitor) = (&person.claims, &person.visitor);
    let is_entra = matches!(
        connection.kind,
        ConnectionKind::Entra | ConnectionKind::EntraMultiTenant
    );
    let mut warnings = Vec::new();
    if is_entra && settings.claims.subject == "/sub" {
        warnings.push(Warning::PairwiseSubject);
    }
    let names = [&claims["preferred_username"], &claims["upn"]];
    let name = names.into_iter().find_map(|it| it.as_str());
    if let Some(matching) = &settings.matching
        && matching.attribute == Attribute::ExternalId
        && !matches!(
            outcome,
            Outcome::Member(_, Found::Identity | Found::Directory)
        )
    {
        // The person may be there under the name at sign-in, with something else as externalId: Entra
        // sends `mailNickname` unless it is told otherwise.
        let mut tx = app.db.one().await?;
        for name in name.into_iter().chain(visitor.email.as_deref()) {
            let (place, key) = (matching.directory, fold::key(name));
            let found =
                identities::list_by_user_name(&mut tx, connection.workspace, place, &key).await?;
            if !found.is_empty() {
                warnings.push(Warning::OtherExternalId);
                break;
            }
        }
    }
    match (&visitor.email, visitor.is_vouched) {
        (None, _) => warnings.push(Warning::NoAddress),
        (Some(_), false) => warnings.push(Warning::AddressNotVouched),
        (Some(_), true) => {}
    }
    if let (Some(name), Some(email)) = (name, &visitor.email)
        && name.contains('@')
        && fold::key(name) != fold::key(email)
    {
        warnings.push(Warning::NameIsNotAddress);
    }
    let is_left_out = claims.pointer("/_claim_names/groups").is_some();
    if is_left_out || claims["hasgroups"] == true {
        warnings.push(Warning::GroupsLeftOut);
    }
    Ok(warnings)
}
