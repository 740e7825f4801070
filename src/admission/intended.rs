//! What several changes of rules come to together: the rules as they are meant to be before and after
//! are held against the same facts. Those that a run is still to write count as written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::carrying::definition;
use super::definition::Definition;
use super::effects::{Rights, World, count_newcomers, facts, fills, rights, standing, told_of};
use super::fields::Said;
use super::planned::{Told, texts, told_with};
use super::reach::{Among, Reach, Scope};
use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{CauseId, DirectoryId, GroupId, MemberId, RuleId};
use crate::mapping::Facts;
use crate::secrets::Digest;
use crate::store::live_rules::LiveRule;
use crate::store::runs as run_rows;
use crate::store::tx::Tx;
use crate::workspace::keys::Scopes;
use crate::workspace::{members, schemas};

/// How many users are looked at together.
const BATCH: usize = 500;

/// The rules of a workspace that give rights, or will as soon as the runs are done that write them.
#[derive(Debug, Clone)]
pub struct Intended {
    rules: Vec<LiveRule>,
    /// What teams, roles and permissions are called.
    names: HashMap<Uuid, String>,
}

/// What changes of rules come to.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// What becomes of members.
    pub told: Told,
    /// Names all of it, by the names of teams and roles and not by their ids: what is made anew each
    /// time it is tried has other ones.
    pub hash: String,
}

/// Somebody of whom something changes.
type Differing = (MemberId, Rights, (Said, Said));

impl Intended {
    /// The rules as they are meant to be now.
    pub async fn of(tx: &mut Tx, app: &App, act: &Act) -> Result<Self> {
        let registry = schemas::registry_within(tx, app, act.workspace).await?;
        let mut planned: HashMap<RuleId, Definition> = HashMap::new();
        for (rule, body) in run_rows::list_written(tx, act.workspace).await? {
            planned.extend(definition(Some(&body))?.map(|of| (rule, of)));
        }
        let mut rules = Vec::new();
        for (rule, stored) in Definition::all(tx, act.workspace).await? {
            let meant = planned.remove(&rule.id).unwrap_or(stored);
            let live = meant.live(rule.id, act.at, registry.user())?;
            // Each version has a cause of its own, which is no difference.
            rules.extend(live.map(|live| LiveRule {
                cause: CauseId(Uuid::nil()),
                ..live
            }));
        }
        rules.sort_by_key(LiveRule::place);
        let names = members::names(tx, act.workspace).await?;
        Ok(Self { rules, names })
    }

    /// The rules that are not the same in both, by directory; those over profiles have none.
    fn touched<'r>(&'r self, after: &'r Self) -> BTreeMap<Option<DirectoryId>, Vec<&'r LiveRule>> {
        let differs = |one: &LiveRule, others: &[LiveRule]| {
            let mut others = others.iter();
            others.all(|other| other != one)
        };
        let gone = self.rules.iter().filter(|it| differs(it, &after.rules));
        let new = after.rules.iter().filter(|it| differs(it, &self.rules));
        let mut touched: BTreeMap<Option<DirectoryId>, Vec<&LiveRule>> = BTreeMap::new();
        for rule in gone.chain(new) {
            touched.entry(rule.directory).or_default().push(rule);
        }
        touched
    }

    /// What becomes of members if these rules go over into others; nothing where no rule does. The
    /// database is as it is before.
    pub async fn become_of(
        &self,
        tx: &mut Tx,
        app: &App,
        (act, scopes): (&Act, &Scopes),
        after: &Self,
    ) -> Result<Option<Outlook>> {
        let touched = self.touched(after);
        if touched.is_empty() {
            return Ok(None);
        }
        let looked_at = self.rules.iter().chain(&after.rules);
        let groups: BTreeSet<GroupId> = looked_at.flat_map(|of| of.groups.clone()).collect();
        let world = World {
            before: &self.rules,
            after: &after.rules,
            groups: groups.into_iter().collect(),
            without: None,
        };
        let mut people: BTreeSet<MemberId> = BTreeSet::new();
        let (mut newcomers, mut seats) = (0, 0);
        for rules in touched.into_values() {
            let scopes: Vec<_> = rules.into_iter().map(Scope::of_live).collect();
            let reach = Reach::of(tx, app, act.workspace, &scopes).await?;
            for among in &reach.among {
                people.extend(members_of(tx, among).await?);
            }
            let new = count_newcomers(tx, &reach.among, &world).await?;
            newcomers += new.0;
            seats += new.1;
        }
        let people: Vec<MemberId> = people.into_iter().collect();
        let mut differing = Vec::new();
        for some in people.chunks(BATCH) {
            differing.extend(look(tx, act, some, &world).await?);
        }
        let mut names = self.names.clone();
        names.extend(after.names.clone());
        let hash = hash(&names, &differing, (newcomers, seats));
        let computed = told_of(tx, act.workspace, people.len(), differing).await?;
        let computed = computed.braked(tx, (act.workspace, act.at)).await?;
        let mut effects = computed.effects;
        (effects.newcomers, effects.seats) = (newcomers, seats);
        let by = (act.workspace, scopes);
        let mut told = told_with(tx, by, (effects, &names)).await?;
        // What is made with the rules has no id yet that stays.
        for of in told.gains.iter_mut().chain(&mut told.losses) {
            if !self.names.contains_key(&of.id) {
                of.id = Uuid::nil();
            }
        }
        Ok(Some(Outlook { told, hash }))
    }
}

async fn members_of(tx: &mut Tx, among: &Among) -> Result<BTreeSet<MemberId>> {
    let (mut found, mut after) = (BTreeSet::new(), None);
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    loop {
        let ids = among.ids(tx, after, most).await?;
        let Some(last) = ids.last() else {
            return Ok(found);
        };
        after = Some(*last);
        found.extend(among.members(tx, &ids).await?);
    }
}

/// Those of the members of whom something changes.
async fn look(
    tx: &mut Tx,
    act: &Act,
    some: &[MemberId],
    world: &World<'_>,
) -> Result<Vec<Differing>> {
    let said = facts(tx, act.workspace, some, world, None).await?;
    let nobody = Facts::default();
    let mut differing = Vec::new();
    for member in some {
        let of = said.get(member).unwrap_or(&nobody);
        let (has, gets) = (rights(world.before, of), rights(world.after, of));
        let shows = (fills(world.before, of), fills(world.after, of));
        if has != gets || shows.0 != shows.1 {
            differing.push((*member, has, gets, shows));
        }
    }
    let ids: Vec<_> = differing.iter().map(|it| it.0).collect();
    let mut stays = standing(tx, act.workspace, &ids).await?;
    let differing = differing.into_iter().map(|(member, has, gets, shows)| {
        let stays = stays.remove(&member).unwrap_or_default();
        (member, (has, gets, stays), shows)
    });
    Ok(differing.collect())
}

fn hash(
    names: &HashMap<Uuid, String>,
    differing: &[Differing],
    (newcomers, seats): (i64, i64),
) -> String {
    let mut digest = Digest::new();
    // Members come in the order of their ids.
    for (member, (has, gets, stays), (from, to)) in differing {
        let lists = [(has, gets), (gets, has)].map(|(less, more)| {
            let gone = less
                .difference(more)
                .filter(|right| !stays.contains(*right));
            let mut texts = texts(names, &gone.copied().collect());
            texts.sort_unstable();
            texts
        });
        let shows = [&from.1, &to.1].map(|language| language.as_deref());
        let line = serde_json::json!([member, lists, from.0, to.0, shows]);
        digest.update(line.to_string().as_bytes());
    }
    digest.update(format!("{newcomers} {seats}").as_bytes());
    digest.hex()
}
