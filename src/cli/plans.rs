//! Plans, as the command line tells them.

use crate::admission::planned::{Count, Shown, Stale, Told};

/// A plan in lines.
pub(super) fn plan_text(plan: &Shown) -> String {
    let mut lines = vec![format!("plan {} until {}", plan.id, plan.expires_at)];
    if !plan.waits_for.is_empty() {
        lines.push(format!("waits for group {}", plan.waits_for.join(", ")));
    }
    lines.extend(told_lines(&plan.told));
    lines.join("\n")
}

fn told_lines(told: &Told) -> Vec<String> {
    let mut lines = vec![format!(
        "{} of {} members would get other rights; that costs them no seat",
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
    let count = |what: &str, of: &Count| {
        let kind = format!("{:?}", of.kind).to_lowercase();
        format!("  {} would {what} {kind} \"{}\"", of.members, of.name)
    };
    lines.extend(told.gains.iter().map(|of| count("gain", of)));
    lines.extend(told.losses.iter().map(|of| count("lose", of)));
    for sampled in &told.sample {
        let name = sampled.who.user_name.clone();
        let name = name.unwrap_or_else(|| sampled.who.member.to_string());
        let gains = sampled.gains.iter().map(|right| format!("+ {right}"));
        let losses = sampled.losses.iter().map(|right| format!("- {right}"));
        let rights: Vec<_> = gains.chain(losses).collect();
        lines.push(format!("  {name}: {}", rights.join(", ")));
    }
    lines
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
