//! `gatehouse explain`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{Settings, table};
use crate::admission::reasons;
use crate::directory::explanation;
use crate::mapping::explain::{self, Explanation, Why, WhyBraked, WhyRequest};
use crate::mapping::holders::{GrantKind, Holder, holders};
use crate::mapping::seat::SeatStanding;
use crate::workspace::access::Because;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, members};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    settings: Settings,
}

/// Whom or what it is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The member: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL")]
    member: Option<String>,
    /// Somebody, by address, user name, externalId, `UserID` or id: why they are in, or are not.
    #[arg(long, value_name = "WHO")]
    person: Option<String>,
    /// A team, by name or id: who has it, and why.
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// A role, by name or id: who has it, and why.
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// A permission: who has it, singly or by a role, and why.
    #[arg(long, value_name = "NAME")]
    permission: Option<String>,
}

/// How many holders are read at a time.
const PAGE: i64 = 500;

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let rights = [
            (GrantKind::Team, &self.what.team),
            (GrantKind::Role, &self.what.role),
            (GrantKind::Permission, &self.what.permission),
        ];
        let named = rights
            .into_iter()
            .find_map(|(kind, named)| Some((kind, named.as_deref()?)));
        if let Some(what) = named {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = holders(&app, workspace.id, what, after, PAGE).await;
                let page = page.with_context(|| format!("\"{}\"", what.1))?;
                let Some(last) = page.last() else {
                    break;
                };
                after = Some(last.member);
                all.extend(page);
            }
            self.settings.print(&all, || holders_text(&all))?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(person) = &self.what.person {
            let scopes = Scopes::everything();
            let told = explanation::explain(&app, &scopes, workspace.id, person).await?;
            self.settings.print(&told, || absence_text(&told))?;
            return Ok(ExitCode::SUCCESS);
        }
        let member = self.what.member.unwrap_or_default();
        let member = members::find(&app, workspace.id, &member).await?;
        let explanation = explain::explain(&app, workspace.id, &member).await?;
        self.settings.print(&explanation, || text(&explanation))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Why somebody is in or not, in sentences.
fn absence_text(told: &reasons::Explanation) -> String {
    let is = if told.is_in { "is in" } else { "is not in" };
    let mut lines = vec![format!("{} {is}", told.person)];
    for reason in &told.reasons {
        let since = reason.since.map(|since| format!(" (since {since})"));
        lines.push(format!("  {}{}", reason.why, since.unwrap_or_default()));
        if let (Some(times), Some(last)) = (reason.times, reason.last_at) {
            lines.push(format!("    tried {times} times, last at {last}"));
        }
        lines.extend(reason.member.map(|member| format!("    member {member}")));
        let way_in = reason.way_in.as_ref();
        lines.extend(way_in.map(|way_in| format!("    way in: {way_in}")));
    }
    if let Some(count) = told.requests_searched {
        lines.push(format!(
            "for a refused request the newest {count} of each directory were looked through"
        ));
    }
    lines.join("\n")
}

/// Who has something, and why, a line each.
fn holders_text(holders: &[Holder]) -> String {
    let rows = holders.iter().flat_map(|holder| {
        let id = holder.member.to_string();
        let name = holder.user_name.clone().unwrap_or(id);
        let access = holder.access.map_or("no", |because| match because {
            Because::Member => "as a member",
            Because::Admin => "as an admin",
        });
        holder.grants.iter().map(move |grant| {
            let cause = match &grant.rule {
                Some(rule) => {
                    let when = rule.when.as_ref().map(|when| format!(" having {when}"));
                    let groups = rule.groups.join(" and ");
                    let (id, version) = (rule.id, rule.version);
                    format!(
                        "rule {id} version {version}: {groups}{}",
                        when.unwrap_or_default()
                    )
                }
                None => grant.cause.clone(),
            };
            let effect = if grant.effective { "yes" } else { "no" };
            vec![
                name.clone(),
                format!(
                    "{} {}",
                    format!("{:?}", grant.kind).to_lowercase(),
                    grant.name
                ),
                grant.since.to_string(),
                effect.to_owned(),
                access.to_owned(),
                cause,
            ]
        })
    });
    let columns = ["who", "by", "since", "effective", "access", "because of"];
    table(&columns, rows)
}

/// An explanation in sentences.
pub(super) fn text(explanation: &Explanation) -> String {
    let name = explanation.user_name.as_deref().unwrap_or("this member");
    let status = format!("{:?}", explanation.status).to_lowercase();
    let held = explanation
        .held_at
        .map(|at| format!(", held since {at} by a restore,"));
    let held = held.unwrap_or_default();
    let mut lines = vec![format!(
        "{name} is {status}{held} and has {} grants",
        explanation.grants.len()
    )];
    if let Some(seat) = &explanation.seat {
        let (taken, limit) = (seat.taken, seat.limit);
        let standing = match seat.standing {
            SeatStanding::Taken => "takes a seat".to_owned(),
            SeatStanding::Kept => "keeps its seat".to_owned(),
            SeatStanding::Waiting => {
                let since = seat.since.map(|at| format!(" since {at}"));
                format!("waits for a seat{}", since.unwrap_or_default())
            }
            SeatStanding::None => "takes no seat".to_owned(),
        };
        let why = &seat.why;
        lines.push(format!("  {standing}, {taken} of {limit} are taken: {why}"));
    }
    for access in &explanation.access {
        let (team, why) = (&access.team, access.because.told());
        lines.push(format!("  has access in \"{team}\": {why}"));
    }
    for why in &explanation.grants {
        let kind = format!("{:?}", why.kind).to_lowercase();
        let cause = cause(why);
        lines.push(format!("  {kind} \"{}\" since {}", why.name, why.since));
        lines.push(format!("    because of {cause}"));
        for (attribute, values) in why.rule.iter().flat_map(|rule| &rule.satisfied_by) {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            let values = if values.is_empty() {
                "nothing".to_owned()
            } else {
                values.join(", ")
            };
            lines.push(format!("      where {attribute} is {values}"));
        }
        for group in why.rule.iter().flat_map(|rule| &rule.groups) {
            lines.extend(group.put_in.as_ref().map(|by| {
                let inner = group.through.last().unwrap_or(&group.name);
                let request = requested(by);
                format!("      in \"{inner}\" since {} through {request}", by.at)
            }));
        }
        lines.push(format!("    through {}", requested(&why.request)));
        lines.push(format!("    ends with {}", why.ends_with.join(", or ")));
        lines.extend(why.braked.as_ref().map(braked_line));
        lines.extend(why.rejected.as_ref().map(|of| {
            format!(
                "    given before by rule {} version {}, whose end was rejected",
                of.rule, of.version
            )
        }));
    }
    for of in &explanation.filled {
        let field = of.field.name();
        lines.push(format!(
            "  {field} because of rule {} version {}",
            of.rule, of.version
        ));
    }
    lines.extend(explanation.unproved_at.map(|at| {
        format!(
            "  nobody has proved since {at} that this is who was expected: rules over profiles wait until \
             an admin adopts the member or the person proves the mailbox"
        )
    }));
    for waits in &explanation.awaiting {
        let kind = format!("{:?}", waits.kind).to_lowercase();
        lines.push(format!(
            "  {kind} \"{}\" waits until {}",
            waits.name, waits.until
        ));
    }
    lines.join("\n")
}

/// A request, and who sent it.
fn requested(request: &WhyRequest) -> String {
    let what = match (&request.method, &request.path, &request.actor) {
        (Some(method), Some(path), _) => format!("{method} {path}"),
        (_, _, Some(actor)) if actor == "cli" => "the command line".to_owned(),
        (_, _, Some(actor)) => format!("the {actor}"),
        _ => "the command line or the worker".to_owned(),
    };
    let by = request.credential.map(|id| format!(", credential {id}"));
    format!("{what}, request {}{}", request.id, by.unwrap_or_default())
}

/// Because of what somebody has a right.
fn cause(why: &Why) -> String {
    let groups: Vec<_> = why
        .rule
        .iter()
        .flat_map(|rule| &rule.groups)
        .map(|group| {
            let id = group.id.map(|id| id.to_string()).unwrap_or_default();
            let through: Vec<_> = group
                .through
                .iter()
                .map(|name| format!(" through \"{name}\""))
                .collect();
            format!("\"{}\" ({id}){}", group.name, through.concat())
        })
        .collect();
    match &why.rule {
        Some(rule) => {
            let groups =
                (!groups.is_empty()).then(|| format!("being in group {}", groups.join(" and ")));
            let when = rule.when.as_ref().map(|when| format!("having {when}"));
            let order = (rule.priority != 0 || rule.stop).then(|| {
                let stops = if rule.stop { " as the last one" } else { "" };
                format!("looked at with priority {}{stops}", rule.priority)
            });
            let from = rule.from.map(|from| format!("from {from}"));
            let until = rule.until.map(|until| format!("until {until}"));
            let parts = [
                Some(format!("rule {} version {}", rule.id, rule.version)),
                groups,
                when,
                order,
                from,
                until,
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        None => why.cause.clone(),
    }
}

/// That the brake holds the end of a grant, and of what.
fn braked_line(braked: &WhyBraked) -> String {
    let until = braked.until.map_or_else(
        || "until an admin releases it".to_owned(),
        |until| format!("until {until}"),
    );
    let request = braked.request.as_ref();
    let against = request.map(|request| match (&request.method, &request.path) {
        (Some(method), Some(path)) => format!(" against {method} {path}, request {}", request.id),
        _ => format!(" against request {}", request.id),
    });
    format!(
        "    held by the brake {until}{}",
        against.unwrap_or_default()
    )
}
