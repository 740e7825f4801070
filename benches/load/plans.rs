//! A rule that concerns everybody: its plan, and what comes of it.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Call, act, text};
use crate::mapping::{Bench, EVERYBODY, TENTH};
use crate::measure::{Figures, rest};

/// How often it is planned.
const PLANS: usize = 5;

/// Rules that are there.
pub(crate) struct Planned {
    /// The team of everybody.
    pub team: String,
    of_all: String,
    of_tenth: String,
}

/// Plans a rule that gives everybody a team, and applies the plan. A tenth get a role as well.
pub(crate) async fn begin(bench: &Bench<'_>, figures: &mut Vec<Figures>) -> Result<Planned> {
    let (api, watch) = (&bench.api, &bench.target.watch);
    rest(watch).await?;
    let team = format!("All of us {}", bench.uses);
    bench.team(&team).await?;
    let rule = json!({"directory": "idp", "groups": [EVERYBODY], "teams": [team]});
    let proposal = json!({"action": "add", "rule": rule});
    let plan = Call::write(Method::POST, "/rules/plan", &proposal);
    let scenario = "plan a rule for everybody";
    let plans = api
        .run((watch, figures), scenario, vec![plan; PLANS])
        .await?;
    let plan: Value = serde_json::from_slice(&plans[PLANS - 1])?;
    let everybody = bench.users.len();
    ensure!(
        plan["members"].as_u64() == u64::try_from(everybody).ok(),
        "the plan should be about all {everybody}: {}",
        plan["members"],
    );
    let apply = json!({"plan": text(&plan, "id")?});
    let apply = Call::write(Method::POST, "/rules/apply", &apply);
    let scenario = "apply the plan, until its run is done";
    let goes_on = async |answer: Value| {
        let run = done(api, &answer).await?;
        ensure!(
            run["changed"].as_u64() == u64::try_from(everybody).ok(),
            "all should have it: {run}"
        );
        text(&answer, "rule")
    };
    let of_all = act((watch, figures), scenario, api.ask(&apply), goes_on).await?;
    let rule = json!({"directory": "idp", "groups": [TENTH], "roles": ["user"]});
    let added = api.ask(&Call::write(Method::POST, "/rules", &rule)).await?;
    done(api, &added).await?;
    rest(watch).await?;
    Ok(Planned {
        team,
        of_all,
        of_tenth: text(&added, "id")?,
    })
}

/// Ends the rules; that is measured for the one of everybody.
pub(crate) async fn end(
    bench: &Bench<'_>,
    planned: Planned,
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let (api, watch) = (&bench.api, &bench.target.watch);
    let end = |rule: &str| Call::delete(format!("/rules/{rule}"));
    let ended = api.ask(&end(&planned.of_tenth)).await?;
    done(api, &ended).await?;
    rest(watch).await?;
    let scenario = "end the rule for everybody, until its run is done";
    let end = end(&planned.of_all);
    let goes_on = async |answer: Value| done(api, &answer).await;
    act((watch, figures), scenario, api.ask(&end), goes_on).await?;
    Ok(())
}

/// Waits for the run that an answer names; few are done with the answer.
async fn done(api: &Api, answer: &Value) -> Result<Value> {
    match answer["run"].as_str() {
        Some(run) => api.wait_for(&format!("/runs/{run}"), "finished_at").await,
        None => Ok(Value::Null),
    }
}
