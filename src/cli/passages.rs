//! `gatehouse directory live`, `end` and `undo-end`.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::directories::Named;
use super::plans::{count_lines, outlook_text, rights_text};
use crate::admission::exit::{self, DirectoryRun, End, Leaving};
use crate::admission::going_live::{self, Applied, Plan};
use crate::admission::live_plans::Difference;
use crate::admission::outlook;
use crate::app::App;
use crate::changes::Origin;
use crate::error::Error;
use crate::worker::{self, Round, Worker};

#[derive(Debug, Args)]
pub(super) struct GoLive {
    #[command(flatten)]
    named: Named,
    /// Do what the plan of that hash said; without one, the plan is shown and nothing is done.
    #[arg(long, value_name = "HASH")]
    apply: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SwitchOff {
    #[command(flatten)]
    named: Named,
    /// What becomes of members whom no other directory has.
    #[arg(long, value_enum)]
    members: LeavingName,
    /// Let those who stay keep what the directory's rules gave them, as if given by hand.
    #[arg(long)]
    keep_grants: bool,
    /// Only tell how many would go out, and lose what. The brake lets it pass that they go out.
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Args)]
pub(super) struct TakeBack {
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LeavingName {
    /// They stay as they are, and are the admins' to change.
    Keep,
    /// They are shut out until an admin lets them in.
    Suspend,
    /// They leave.
    Remove,
}

impl GoLive {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let place = (directory.workspace, directory.id);
        let settings = &self.named.settings;
        let Some(hash) = self.apply else {
            let plan = going_live::plan(&app, &Origin::cli(), place).await?;
            return settings.print(&plan, || text(&plan));
        };
        match going_live::apply(&app, &Origin::cli(), place, &hash).await? {
            Applied::Stale(difference) => {
                settings.print(&difference, || stale_text(&difference))?;
                let stale = "the plan would do something else by now; look at it and apply it anew";
                Err(Error::Conflict(stale.to_owned()).into())
            }
            Applied::Done(plan, run) => {
                let run = work_off(&app, *run).await?;
                let value = json!({"plan": plan, "run": run});
                settings.print(&value, || done("live", &run))
            }
        }
    }
}

impl SwitchOff {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let place = (directory.workspace, directory.id);
        let end = End {
            members: match self.members {
                LeavingName::Keep => Leaving::Keep,
                LeavingName::Suspend => Leaving::Suspend,
                LeavingName::Remove => Leaving::Remove,
            },
            keep_grants: self.keep_grants,
        };
        if self.plan {
            let outlook = outlook::of_end(&app, place, end).await?;
            let settings = &self.named.settings;
            return settings.print(&outlook, || outlook_text(&outlook));
        }
        let run = exit::end(&app, &Origin::cli(), place, end).await?;
        let run = work_off(&app, run).await?;
        self.named.settings.print(&run, || {
            let until = run.undo_until.map(|at| at.to_string()).unwrap_or_default();
            format!("{}; it can be undone until {until}", done("off", &run))
        })
    }
}

impl TakeBack {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let place = (directory.workspace, directory.id);
        let run = exit::undo(&app, &Origin::cli(), place).await?;
        let run = work_off(&app, run).await?;
        self.named.settings.print(&run, || done("back", &run))
    }
}

fn done(how: &str, run: &DirectoryRun) -> String {
    let left = run.total - run.processed;
    let rest = if run.finished_at.is_none() && left > 0 {
        format!("; a server works off the other {left}")
    } else {
        String::new()
    };
    format!(
        "the directory is {how}: {} users, {} left as they are{rest}",
        run.processed, run.skipped
    )
}

fn stale_text(of: &Difference) -> String {
    let planned = &of.planned;
    let mut lines = vec![format!(
        "planned were {} new members, {} linked to members, {} conflicts, {} seats",
        planned.new, planned.linked, planned.conflicts, planned.seats_needed
    )];
    lines.extend(count_lines(&planned.gains, &planned.losses));
    if let Some(differing) = of.differing {
        lines.push(format!("for {differing} users it comes otherwise by now:"));
    }
    lines.push(text(&of.now));
    lines.join("\n")
}

fn text(plan: &Plan) -> String {
    let free = plan.seats_free;
    let free = free.map_or_else(|| "any number of".to_owned(), |free| free.to_string());
    let mut lines = vec![format!(
        "{} new members, {} linked to members, {} conflicts; {} seats of {free} free ones",
        plan.new, plan.linked, plan.conflicts, plan.seats_needed
    )];
    if !plan.fits {
        let ask = plan.seats_contact.as_ref();
        let ask = ask.map(|contact| format!("; ask {contact}"));
        lines.push(format!("  too few seats{}", ask.unwrap_or_default()));
    }
    lines.extend(count_lines(&plan.gains, &plan.losses));
    for sampled in &plan.sample {
        let user = &sampled.foreseen;
        let member = user.member.map(|id| format!(" {id}")).unwrap_or_default();
        let outcome = format!("{:?}", user.outcome).to_lowercase();
        let rights = rights_text(&sampled.gains, &sampled.losses);
        let rights = if rights.is_empty() {
            rights
        } else {
            format!("; {rights}")
        };
        lines.push(format!("  {}: {outcome}{member}{rights}", user.user_name));
    }
    lines.push(format!("apply it with --apply {}", plan.hash));
    lines.join("\n")
}

/// Works a run off where no server holds the lease; where one does, it has the run already.
pub(super) async fn work_off(app: &App, mut run: DirectoryRun) -> anyhow::Result<DirectoryRun> {
    let mut worker = Worker::new(app.clone());
    while run.finished_at.is_none() {
        let round = worker.round().await?;
        let all = exit::runs(app, (run.workspace, run.directory)).await?;
        if let Some(now) = all.into_iter().find(|it| it.id == run.id) {
            run = now;
        }
        if round != Round::Worked || run.paused_at.is_some() {
            break;
        }
    }
    worker::release(app).await?;
    Ok(run)
}
