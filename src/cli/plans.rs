//! Plans, as the command line tells them.

use crate::admission::outlook::Outlook;
use crate::admission::planned::{Count, Shown, Stale, Told};
use crate::clock::Timestamp;

/// A plan in lines.
pub(super) fn plan_text(plan: &Shown) -> String {
    let mut lines = vec![format!("plan {} until {}", plan.id, plan.expires_at)];
    if !plan.waits_for.is_empty() {
        lines.push(format!("waits for group {}", plan.waits_for.join(", ")));
    }
    if let Some(from) = plan.in_effect_from {
        lines.push(format!("in effect from {from}; what follows is of then"));
    }
    if let Some(until) = plan.in_effect_until {
        lines.push(format!("in effect until {until}"));
    }
    lines.extend(told_lines(&plan.told));
    lines.join("\n")
}

/// What becomes of members, in lines.
pub(super) fn told_lines(told: &Told) -> Vec<String> {
    let mut lines = vec![format!(
        "{} of {} users would get or show something else; that costs them no seat",
        told.members, told.looked_at
    )];
    if told.newcomers > 0 {
        lines.push(format!(
            "{} more people would get something once they are members, and take {} seats: {}",
            told.newcomers,
            told.seats,
            seats_text(told)
        ));
    }
    lines.extend(
        told.makes
            .iter()
            .map(|made| format!("  {made} would be made")),
    );
    lines.extend(count_lines(&told.gains, &told.losses));
    lines.extend(held_line(told.held, told.held_until));
    for of in &told.fields {
        let shown = shown_text(of.to.as_ref());
        lines.push(format!(
            "  {} would show {} {shown}",
            of.members,
            of.field.name()
        ));
    }
    for sampled in &told.sample {
        let name = sampled.who.user_name.clone();
        let name = name.unwrap_or_else(|| sampled.who.member.to_string());
        let rights = rights_text(&sampled.gains, &sampled.losses);
        let fields = sampled.fields.iter().map(|of| {
            let (from, to) = (shown_text(of.from.as_ref()), shown_text(of.to.as_ref()));
            format!("{} {from} -> {to}", of.field.name())
        });
        let rights = Some(rights).filter(|rights| !rights.is_empty());
        let all: Vec<_> = rights.into_iter().chain(fields).collect();
        lines.push(format!("  {name}: {}", all.join(", ")));
    }
    lines
}

/// What an act upon many would come to, in lines.
pub(super) fn outlook_text(of: &Outlook) -> String {
    let mut lines = vec![format!("it concerns {} members", of.members)];
    for (count, what) in [(of.suspended, "be shut out"), (of.removed, "leave")] {
        lines.extend((count > 0).then(|| format!("  {count} would {what}")));
    }
    lines.extend(count_lines(&of.gains, &of.losses));
    lines.extend(held_line(of.held, of.held_until));
    lines.join("\n")
}

/// How many would keep for now what they are to lose.
fn held_line(held: i64, until: Option<Timestamp>) -> Option<String> {
    let until = until.map_or_else(|| "an admin releases it".to_owned(), |it| it.to_string());
    (held > 0).then(|| {
        format!("  {held} of those who lose would keep it until {until}: the brake would hold it")
    })
}

fn shown_text(shown: Option<&String>) -> &str {
    shown.map_or("nothing", String::as_str)
}

/// How many would gain and lose what, a line for each right.
pub(super) fn count_lines(gains: &[Count], losses: &[Count]) -> Vec<String> {
    let count = |what: &str, of: &Count| {
        let kind = format!("{:?}", of.kind).to_lowercase();
        format!("  {} would {what} {kind} \"{}\"", of.members, of.name)
    };
    let gains = gains.iter().map(|of| count("gain", of));
    gains
        .chain(losses.iter().map(|of| count("lose", of)))
        .collect()
}

/// What one would gain and lose.
pub(super) fn rights_text(gains: &[String], losses: &[String]) -> String {
    let gains = gains.iter().map(|right| format!("+ {right}"));
    let losses = losses.iter().map(|right| format!("- {right}"));
    gains.chain(losses).collect::<Vec<_>>().join(", ")
}

fn seats_text(told: &Told) -> String {
    let Some(free) = told.seats_free else {
        return "there is no limit".to_owned();
    };
    let ask = match &told.seats_contact {
        Some(contact) if !told.fits => format!("; ask {contact}"),
        _ => String::new(),
    };
    let fits = if told.fits { "it fits" } else { "too few" };
    format!("{free} are free, {fits}{ask}")
}

/// How a plan differs from what would become of it now, in lines.
pub(super) fn stale_text(stale: &Stale) -> String {
    if stale.rule_moved {
        return "the rule is another one by now; plan anew".to_owned();
    }
    let mut lines = vec!["the plan would do something else by now; plan anew".to_owned()];
    for told in stale.now.iter().chain([&stale.planned]) {
        lines.extend(told_lines(told));
    }
    lines.join("\n")
}
