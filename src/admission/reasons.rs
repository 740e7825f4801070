//! What is told of somebody who is in or not.

use crate::clock::Timestamp;
use crate::ids::{MemberId, RequestId, UserId};

/// Why somebody is in, or is not.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdmissionExplanation")]
pub struct Explanation {
    /// What was asked for.
    pub person: String,
    /// Whether a member of that name or address is in now.
    pub is_in: bool,
    /// What is so, the nearest first; several where the text is more than one person's.
    pub reasons: Vec<Reason>,
    /// How many of the newest requests of each directory were looked through for one that was refused;
    /// none where they are not kept, not looked at for whoever is in, or not for who asks to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_searched: Option<usize>,
}

/// Something that has somebody be in, or keeps them out.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdmissionReason")]
pub struct Reason {
    /// What it is.
    pub code: Code,
    /// The name of the directory that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The directory's User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The member that it is about, or who stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it happened last, of what happens again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// How often it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
    /// The same in words.
    pub why: String,
    /// What would let them in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way_in: Option<String>,
    /// The request that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// A request that was refused, as the request log has it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdmissionRefusal")]
pub struct Refusal {
    /// The request.
    pub request: RequestId,
    /// When it was answered.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// The template of its path.
    pub route: String,
    /// The status of the answer.
    pub status: i64,
    /// The `scimType` of the refusal.
    pub scim_type: Option<String>,
    /// What the refusal says.
    pub detail: Option<String>,
}

/// What has somebody be in, or keeps them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AdmissionCode")]
pub enum Code {
    /// A member who is in.
    Member,
    /// A member whose removal waits for the brake.
    Leaving,
    /// A member whose removal or suspension an admin rejected.
    Kept,
    /// A member who waits for a seat.
    WaitsForSeat,
    /// A member whom a restore holds.
    Held,
    /// A member whom an admin shuts out.
    Barred,
    /// A member whom its directories shut out.
    DirectorySaysOut,
    /// A member who was not told yet.
    Draft,
    /// A member who was told and has not come in.
    Invited,
    /// A member who was removed.
    Removed,
    /// A member of another way stands in the way.
    Conflict,
    /// An admin said who it is: the next create links.
    Adopted,
    /// No seat was free.
    NoSeat,
    /// The directory only collects.
    Collected,
    /// The directory is switched off.
    DirectoryEnded,
    /// Nothing has admitted them yet: a run of the directory may be due.
    RunDue,
    /// The directory deleted them.
    Deleted,
    /// All seats are taken: whoever comes is refused.
    SeatsFull,
    /// The workspace is suspended.
    WorkspaceSuspended,
    /// What their directory sent of them last was refused.
    Refused,
    /// Nothing is kept of them.
    Unknown,
}

impl Explanation {
    /// Adds that the directory of that name sent something of the person which was refused: that much is
    /// known then.
    pub fn add_refusal(&mut self, directory: String, refusal: Refusal) {
        let of_type = refusal.scim_type.as_ref().map(|it| format!(" {it}"));
        let detail = refusal.detail.as_ref().map(|it| format!(": {it}"));
        let why = format!(
            "\"{directory}\" sent {} {} of the person last, which was refused with {}{}{}",
            refusal.method,
            refusal.route,
            refusal.status,
            of_type.unwrap_or_default(),
            detail.unwrap_or_default()
        );
        self.reasons.retain(|reason| reason.code != Code::Unknown);
        let told = Reason::of(Code::Refused, why)
            .since(Some(refusal.at))
            .way_in("what was wrong with it is mended, and the directory sends it again");
        self.reasons.push(Reason {
            directory: Some(directory),
            refusal: Some(refusal),
            ..told
        });
    }
}

impl Reason {
    pub(super) fn of(code: Code, why: impl Into<String>) -> Self {
        Self {
            code,
            directory: None,
            user: None,
            member: None,
            since: None,
            last_at: None,
            times: None,
            why: why.into(),
            way_in: None,
            refusal: None,
        }
    }

    pub(super) fn way_in(self, way_in: impl Into<String>) -> Self {
        Self {
            way_in: Some(way_in.into()),
            ..self
        }
    }

    pub(super) fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }
}
