//! `gatehouse directory deleted-groups` and `restore-group`.

use clap::Args;

use super::directories::Named;
use super::plans::told_lines;
use super::{person, runs, table};
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::directory::restore::groups::{self, Outcome, Plan};
use crate::error::Error;
use crate::workspace::keys::Scopes;

/// How many groups are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Args)]
pub(super) struct DeletedGroups {
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Args)]
pub(super) struct RestoreGroup {
    #[command(flatten)]
    named: Named,
    /// The group, by name or id.
    #[arg(long, value_name = "GROUP")]
    group: String,
    /// The instant, such as 2026-05-03T12:00:00Z; without one, a deleted group comes back as it was
    /// before that.
    #[arg(long, value_name = "INSTANT", value_parser = person::instant)]
    as_of: Option<Timestamp>,
    /// Do what the plan of that hash said; without one, the plan is shown and nothing is done.
    #[arg(long, value_name = "HASH")]
    apply: Option<String>,
}

impl DeletedGroups {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let of = (directory.workspace, directory.id);
        let mut listed: Vec<groups::Deleted> = Vec::new();
        loop {
            let after = listed.last().map(|group| group.id);
            let page = groups::list_deleted(&app, of, after, PAGE).await?;
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        self.named.settings.print(&listed, || {
            let rows = listed.iter().map(|group| {
                vec![
                    group.name.clone(),
                    group.deleted_at.to_string(),
                    group.restorable_until.to_string(),
                    group.id.to_string(),
                ]
            });
            table(&["name", "deleted", "restorable until", "id"], rows)
        })
    }
}

impl RestoreGroup {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let settings = &self.named.settings;
        let of = (directory.workspace, directory.id);
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let by = (&origin, &scopes);
        let group = groups::resolve(&app, of, &self.group).await?;
        let which = (group, self.as_of);
        let Some(hash) = self.apply else {
            let plan = groups::plan(&app, by, of, which).await?;
            return settings.print(&plan, || {
                format!("{}\napply it with --apply {}", text(&plan), plan.hash)
            });
        };
        match groups::restore(&app, by, of, which, &hash).await? {
            Outcome::Stale(plan) => {
                settings.print(&plan, || text(&plan))?;
                let stale = "the plan would do something else by now; look at it and apply it anew";
                Err(Error::Conflict(stale.to_owned()).into())
            }
            Outcome::Done(plan) => {
                for run in &plan.runs {
                    runs::work_off(&app, directory.workspace, *run).await?;
                }
                settings.print(&plan, || format!("{}\nit is done", text(&plan)))
            }
        }
    }
}

fn text(plan: &Plan) -> String {
    let again = if plan.made_again {
        " is made again:"
    } else {
        ":"
    };
    let mut lines = vec![format!(
        "group {}{again} {} users and {} groups come into it, {} users and {} groups go out; \
         {} groups hold it again, {} rules give again",
        plan.name,
        plan.added,
        plan.added_groups,
        plan.removed,
        plan.removed_groups,
        plan.holders,
        plan.rules.len()
    )];
    lines.extend(told_lines(&plan.effects));
    let missing = plan.skipped.iter();
    lines.extend(missing.map(|it| format!("  {} stays out: {}", it.id, it.reason)));
    if plan.memberships_unknown > 0 {
        lines.push(format!(
            "{} memberships are for the IdP to send again",
            plan.memberships_unknown
        ));
    }
    lines.join("\n")
}
