//! Fields that rules fill in: the line and the language of members for whom neither an admin nor a
//! directory says any. What a rule filled in goes with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::facts::facts;
use super::settle::Rules;
use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::mapping;
use crate::store::details::{self, Details};
use crate::store::members::{Member, Status};
use crate::store::rules::LinePolicy;
use crate::store::tx::Tx;
use crate::workspace::profile::{Field, Manual};
use crate::workspace::told;

/// What rules say of somebody's line and language.
pub(super) type Said = (Option<LinePolicy>, Option<String>);

/// A field of a member that comes to show something else.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Refilled {
    /// Which one.
    pub field: Field,
    /// What it shows: the kind of line, or the language; none where it is empty.
    pub from: Option<String>,
    /// What it is to show.
    pub to: Option<String>,
}

/// What members would show otherwise if rules said the second of them instead of the first. What an
/// admin or a directory says stays.
pub(super) async fn refilled(
    tx: &mut Tx,
    workspace: WorkspaceId,
    said: &[(MemberId, Said, Said)],
) -> Result<HashMap<MemberId, Vec<Refilled>>> {
    let ids: Vec<_> = said.iter().map(|of| of.0).collect();
    let listed = details::list_filled(tx, workspace, &ids).await?;
    let mut known: HashMap<_, _> = listed.into_iter().map(|of| (of.id, of)).collect();
    let mut refilled = HashMap::new();
    for (member, before, after) in said {
        let Some(known) = known.remove(member) else {
            continue;
        };
        if known.status == Status::Removed {
            continue;
        }
        let whose = (known.manual.as_str(), known.ruled.as_str());
        let (before, _) = filled(whose, &known.details, before.clone());
        let (after, _) = filled(whose, &known.details, after.clone());
        let fields = [
            (Field::Line, before.line, after.line),
            (Field::Language, before.language, after.language),
        ];
        let fields = fields.into_iter().filter(|(_, from, to)| from != to);
        let fields: Vec<_> = fields
            .map(|(field, from, to)| Refilled { field, from, to })
            .collect();
        if !fields.is_empty() {
            refilled.insert(*member, fields);
        }
    }
    Ok(refilled)
}

/// Whether there may be something to fill in, or to take back, for one of the members.
pub(super) fn are_concerned(locked: &[Member], rules: &Rules) -> bool {
    let mut live = rules.live.iter();
    live.any(|rule| rule.line.is_some() || rule.language.is_some())
        || locked.iter().any(|member| !member.ruled.is_empty())
}

/// Fills in what the rules say of locked members, and takes back what they do not say any more.
pub(super) async fn fill(tx: &mut Tx, act: &Act, locked: &[Member], rules: &Rules) -> Result<()> {
    let ids: Vec<_> = locked.iter().map(|member| member.id).collect();
    let mut facts = facts(tx, act.workspace, &ids, rules).await?;
    let listed = details::list(tx, act.workspace, &ids).await?;
    let mut known: BTreeMap<MemberId, Details> =
        listed.into_iter().map(|of| (of.id, of.details)).collect();
    let mut told = Vec::new();
    for member in locked {
        let facts = facts.remove(&member.id).unwrap_or_default();
        let before = known.remove(&member.id).unwrap_or_default();
        let said = if member.status == Status::Removed {
            (None, None)
        } else {
            mapping::filled_in(&rules.live, &facts)
        };
        let whose = (member.manual.as_str(), member.ruled.as_str());
        let (after, theirs) = filled(whose, &before, said);
        let is_same = (&after.line, &after.language) == (&before.line, &before.language);
        let text = theirs.to_text();
        if is_same && text == member.ruled {
            continue;
        }
        let of = (after.line.as_deref(), after.line_number.as_deref());
        let language = after.language.as_deref();
        let at = (!is_same).then_some(act.at);
        let filled = (language, text.as_str());
        let version = details::update_ruled(tx, act.workspace, member.id, of, filled, at).await?;
        if is_same {
            continue;
        }
        let fields = [
            (Field::Line, after.line != before.line),
            (Field::Language, after.language != before.language),
        ];
        let fields = fields.into_iter().filter(|(_, is_other)| *is_other);
        let fields: Vec<_> = fields.map(|(field, _)| field).collect();
        let mut shown = Map::new();
        for field in &fields {
            let value = match field {
                Field::Line => json!(told::line(&after)),
                _ => json!(after.language),
            };
            shown.insert(field.name().to_owned(), value);
        }
        let detail = json!({"fields": fields, "by": "rule", "shown": shown});
        let subject = ("member", member.id.0);
        told.push(act.change("member.updated", subject, Some(version), &detail));
    }
    changes::record(tx, act.workspace, &told).await
}

/// What a member shows with what the rules say, and the fields that are theirs then; given are the
/// fields that an admin wrote and those that rules filled in.
fn filled(
    (manual, ruled): (&str, &str),
    before: &Details,
    (line, language): Said,
) -> (Details, Manual) {
    let (manual, was_ruled) = (Manual::of(manual), Manual::of(ruled));
    let (mut after, mut ruled) = (before.clone(), BTreeSet::new());
    // What somebody else says is theirs.
    let is_free = |field, is_there: bool| {
        !manual.0.contains(&field) && (!is_there || was_ruled.0.contains(&field))
    };
    if is_free(Field::Line, before.line.is_some()) {
        let kind = line.map(|line| match line {
            LinePolicy::Numberless => "numberless",
            LinePolicy::Numbered => "numbered",
        });
        if kind != before.line.as_deref() {
            after.line = kind.map(str::to_owned);
            after.line_number = None;
        }
        ruled.extend(line.map(|_| Field::Line));
    }
    if is_free(Field::Language, before.language.is_some()) {
        ruled.extend(language.as_ref().map(|_| Field::Language));
        after.language = language;
    }
    (after, Manual(ruled))
}
