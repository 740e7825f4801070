//! One membership that changes while the workspace has few rules, or many.

use anyhow::{Result, ensure};
use gatehouse::virtual_idp::{Dialect, Linked};
use reqwest::Method;
use serde_json::json;

use crate::api::{Call, text};
use crate::mapping::{Bench, TEAMS, unit};
use crate::measure::{Figures, rest};
use crate::scenarios::add;

/// Who goes in and out, and how often. They are in small groups that have a rule from the first
/// number of rules on, so that each of them has as much whatever the number.
const MOVERS: usize = 50;
const ROUNDS: usize = 5;
/// Every so many rules one asks for an attribute too.
const WITH_WHEN: usize = 10;

/// The team that the rule of a small group gives.
pub(crate) fn team(number: usize) -> String {
    format!("Mapped {:02}", number % TEAMS)
}

/// Members of a group that has a rule come and go, while so many other rules are there.
pub(crate) async fn changes(
    bench: &Bench<'_>,
    counts: &[usize],
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let name = format!("Measured {}", bench.uses);
    let group = bench.group(&name, &[]).await?;
    let mut made = vec![rule(bench, &name, 0).await?];
    let movers = &bench.users[..bench.users.len().min(MOVERS)];
    let linked = |id: &str| Linked {
        id: id.to_owned(),
        name: String::new(),
    };
    for &count in counts {
        while made.len() < count {
            let number = made.len();
            made.push(rule(bench, &unit(number - 1), number).await?);
        }
        // Each new rule has the members looked at.
        rest(&bench.target.watch).await?;
        let round = || {
            let come = movers.chunks(1).map(|user| add(&group, user));
            let go = movers.iter();
            let go = go.map(|user| Dialect::Entra.remove_member(&linked(&group), &linked(user)));
            come.chain(go)
        };
        let requests = (0..ROUNDS).flat_map(|_| round()).collect();
        let scenario = format!("a member comes or goes, {count} rules");
        bench.target.run(figures, &scenario, 1, requests).await?;
    }
    for id in made {
        bench
            .api
            .send(&Call::delete(format!("/rules/{id}")))
            .await?;
    }
    Ok(())
}

/// Adds a rule; gives its id.
async fn rule(bench: &Bench<'_>, group: &str, number: usize) -> Result<String> {
    let when = (number % WITH_WHEN == 1).then_some("title pr and not (title co \"nobody\")");
    let mut rule = json!({"directory": "idp", "groups": [group], "teams": [team(number)]});
    if let Some(when) = when {
        rule["when"] = json!(when);
    }
    let call = Call::write(Method::POST, "/rules", &rule);
    let made = bench.api.ask(&call).await?;
    ensure!(made["bound"] == true, "the group should be there: {made}");
    text(&made, "id")
}
