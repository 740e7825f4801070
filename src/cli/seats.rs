//! `gatehouse workspace seats`

use clap::Args;

use super::Settings;
use crate::changes::Origin;
use crate::workspace;
use crate::workspace::seats::{self, Limit, SeatPolicy, SeatRelease};

#[derive(Debug, Args)]
pub(super) struct Seats {
    /// Its slug.
    slug: String,
    /// How many members may be in at a time, 3 at least.
    #[arg(long, conflicts_with = "no_limit")]
    limit: Option<i64>,
    /// Let in as many as come.
    #[arg(long)]
    no_limit: bool,
    /// What becomes of whoever finds no seat: refuse, or hold until one is free.
    #[arg(long, value_parser = policy)]
    policy: Option<SeatPolicy>,
    /// When a member gives its seat back: `on_suspend`, or `on_remove` alone.
    #[arg(long, value_parser = release)]
    release: Option<SeatRelease>,
    /// How many more are let in for the time being.
    #[arg(long)]
    grace: Option<i64>,
    /// Whom to ask for more.
    #[arg(long)]
    contact: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Seats {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.slug).await?;
        let before = seats::show(&app, workspace.id).await?.limit;
        let wanted = Limit {
            seat_limit: self.limit.or(before.seat_limit).filter(|_| !self.no_limit),
            seat_policy: self.policy.unwrap_or(before.seat_policy),
            seat_release: self.release.unwrap_or(before.seat_release),
            seat_grace: self.grace.unwrap_or(before.seat_grace),
            seat_contact: self.contact.or(before.seat_contact),
        };
        seats::set(&app, &Origin::cli(), workspace.id, wanted).await?;
        let now = seats::show(&app, workspace.id).await?;
        self.settings.print(&now, || match now.limit.seat_limit {
            Some(limit) => {
                let taken = now.taken;
                let kept = (now.kept > 0).then(|| format!(" ({} by suspended members)", now.kept));
                let (kept, waiting) = (kept.unwrap_or_default(), now.waiting);
                format!("{taken} of {limit} seats are taken{kept}, {waiting} wait")
            }
            None => "there is no limit".to_owned(),
        })
    }
}

fn policy(text: &str) -> Result<SeatPolicy, String> {
    match text {
        "refuse" => Ok(SeatPolicy::Refuse),
        "hold" => Ok(SeatPolicy::Hold),
        _ => Err("expected refuse or hold".to_owned()),
    }
}

fn release(text: &str) -> Result<SeatRelease, String> {
    match text {
        "on_suspend" => Ok(SeatRelease::OnSuspend),
        "on_remove" => Ok(SeatRelease::OnRemove),
        _ => Err("expected on_suspend or on_remove".to_owned()),
    }
}
