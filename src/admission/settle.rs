//! Facts in, grants out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{GroupId, MemberId, RunId};
use crate::mapping::{self, rules};
use crate::store::db::Tx;
use crate::store::grants::LiveGrant;
use crate::store::members::Member;
use crate::store::rules::LiveRule;
use crate::store::{grants, members};
use crate::workspace::ledger::{self, Difference};

/// The rules of a workspace, read after the concerned members were locked: a rule that is added at
/// the same time either is seen here or finds these members when its own settling locks them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Counts the sets of rules.
    pub version: i64,
    /// The rules that give rights now.
    pub live: Arc<Vec<LiveRule>>,
}

impl Rules {
    /// Reads the rules that hold now.
    pub async fn current(tx: &mut Tx, app: &App, act: &Act) -> Result<Self> {
        let (version, live) = rules::current(tx, app, act.workspace).await?;
        Ok(Self { version, live })
    }

    /// Whether some rule looks at one of the groups.
    pub fn look_at(&self, groups: &[GroupId]) -> bool {
        self.live
            .iter()
            .any(|rule| rule.groups.iter().any(|group| groups.contains(group)))
    }
}

/// Holds what the rules want for locked members against their grants, and writes the differences.
/// Members without a difference only take note of the rules version. Tells how many changed.
pub async fn settle(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
    run: Option<RunId>,
) -> Result<usize> {
    if locked.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = locked.iter().map(|member| member.id).collect();
    let mut facts: HashMap<MemberId, BTreeSet<GroupId>> = HashMap::new();
    if !rules.live.is_empty() {
        for fact in grants::list_facts(tx, act.workspace, &ids).await? {
            facts.entry(fact.member).or_default().insert(fact.group_id);
        }
    }
    let mut have: HashMap<MemberId, Vec<LiveGrant>> = HashMap::new();
    for grant in grants::list_by_rule(tx, act.workspace, &ids).await? {
        have.entry(grant.member).or_default().push(grant);
    }
    let mut differences = BTreeMap::new();
    let mut unchanged = Vec::new();
    let nothing = BTreeSet::new();
    for member in locked {
        let groups = facts.get(&member.id).unwrap_or(&nothing);
        let wanted = mapping::wanted(&rules.live, groups);
        let difference = difference(wanted, have.remove(&member.id).unwrap_or_default());
        if !difference.begun.is_empty() || !difference.ended.is_empty() {
            differences.insert(member.id, (member.version, difference));
        } else if member.rules_version < rules.version {
            unchanged.push(member.id);
        }
    }
    if !differences.is_empty() {
        ledger::apply(tx, act, &differences, rules.version, run).await?;
    }
    members::update_rules_version(tx, act.workspace, &unchanged, rules.version).await?;
    Ok(differences.len())
}

fn difference(mut wanted: BTreeSet<mapping::Wanted>, have: Vec<LiveGrant>) -> Difference {
    let ended = have
        .into_iter()
        .filter(|grant| !wanted.remove(&(grant.kind, grant.target, grant.cause)))
        .collect();
    Difference {
        begun: wanted.into_iter().collect(),
        ended,
    }
}
