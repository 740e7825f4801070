//! What must hold after each step: both sides are one, and the invariants of the security cases.
//!
//! I1 by a workspace beside, which nobody touches and nobody reads; I2 by who is linked to whom; I3 by
//! the access epochs; I6, and what the design promises of the database, by the checks of `verify`; I7
//! by what the log tells, without a gap and under a chain that is whole; I8 by the rights, which the
//! model gives by rules and admins alone; I10 by each answer, which is the one that is expected. Nobody
//! signs in or calls anything outside here: I4, I5, I9, I11 and I12 have tests of their own.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::admission::brake as braked;
use gatehouse::admission::check;
use gatehouse::changes::sequencer::verify_chain;
use gatehouse::clock::Timestamp;
use gatehouse::ids::{MemberId, WorkspaceId};
use gatehouse::mapping::rules::{self, RuleState};
use gatehouse::store::verify::{CHECKS, count_faults};
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::{self, GrantKind, Status};
use gatehouse::workspace::seats;

use super::{Pair, RIGHTS, right};
use crate::gateway::Gateway;

/// What was seen after the step before.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By kind, how many changes the log must have of those that are counted.
    told: BTreeMap<&'static str, i64>,
    /// Who was in, with the access epoch of each.
    epochs: BTreeMap<MemberId, (bool, i64)>,
}

/// A workspace beside, with somebody in it.
pub(super) struct Beside {
    workspace: WorkspaceId,
    user: String,
    changes: i64,
}

impl Beside {
    pub(super) async fn new(gateway: &Gateway) -> Self {
        let scim = gateway.scim().await;
        let body = serde_json::json!({"userName": "u0@acme.example", "externalId": "e0"});
        let user = scim.created("/Users", &body).await;
        gateway.work().await;
        let workspace = gateway.workspace.id;
        let changes = count_changes(gateway, workspace).await;
        Self {
            workspace,
            user,
            changes: changes.values().sum(),
        }
    }
}

impl Pair<'_> {
    /// An act must have its one record.
    pub(super) fn count(&mut self, kind: &'static str) {
        self.count_many(kind, 1);
    }

    pub(super) fn count_many(&mut self, kind: &'static str, count: usize) {
        let told = self.seen.told.entry(kind).or_default();
        *told += i64::try_from(count).unwrap();
    }

    /// Both sides are one, and what must hold holds.
    pub(super) async fn compare(&mut self) {
        self.compare_members().await;
        self.compare_seats().await;
        self.compare_rules().await;
        self.compare_links().await;
        self.compare_epochs().await;
        let (gateway, workspace) = (self.gateway, self.workspace.id);
        let changes = count_changes(gateway, workspace).await;
        for (kind, count) in &self.seen.told {
            assert_eq!(changes.get(*kind).unwrap_or(&0), count, "{kind}");
        }
        let broken = verify_chain(&gateway.app, workspace).await.unwrap();
        assert!(broken.is_none(), "{broken:?}");
        let mut tx = gateway.app.db.read().await.unwrap();
        for check in CHECKS {
            let faults = count_faults(&mut tx, check).await.unwrap();
            assert_eq!(faults, 0, "{}", check.holds);
        }
        drop(tx);
        let unsettled = check::count_unsettled(&gateway.app, workspace).await;
        assert_eq!(unsettled.unwrap(), 0);
        let path = format!("/Users/{}", self.beside.user);
        self.send("GET", &path, None, 404).await;
        let beside = count_changes(gateway, self.beside.workspace).await;
        assert_eq!(beside.values().sum::<i64>(), self.beside.changes);
    }

    async fn compare_members(&self) {
        let (app, workspace) = (&self.gateway.app, self.workspace.id);
        let listed = members::list(app, workspace, None, 1000).await.unwrap();
        let found: BTreeMap<_, _> = listed.iter().map(|it| (it.id, it.status)).collect();
        let expected = self.world.members.iter();
        let expected = expected.map(|(id, member)| (*id, member.status));
        let expected: BTreeMap<_, _> = expected
            .filter(|(_, status)| *status != Status::Removed)
            .collect();
        assert_eq!(found, expected);
        let waits = |id: &MemberId, at: Option<Timestamp>| at.map(|at| (*id, at));
        let found = listed.iter().filter_map(|it| waits(&it.id, it.waiting_at));
        let expected = self.world.members.iter();
        let expected = expected.filter_map(|(id, member)| waits(id, member.waits));
        assert_eq!(
            found.collect::<BTreeMap<_, _>>(),
            expected.collect::<BTreeMap<_, _>>()
        );
        let rights = listed.iter().map(|member| (member.id, rights(member)));
        let found = rights.filter(|(_, rights)| !rights.is_empty());
        assert_eq!(found.collect::<BTreeMap<_, _>>(), self.world.rights());
        let mut tx = self.gateway.app.db.one().await.unwrap();
        let kept: Vec<(MemberId,)> = tx
            .query(
                "SELECT DISTINCT member FROM grants WHERE workspace = $1 AND hold = 'last_admin' \
                 AND to_at IS NULL ORDER BY member",
            )
            .bind(workspace)
            .fetch_all()
            .await
            .unwrap();
        drop(tx);
        let kept: Vec<MemberId> = kept.into_iter().map(|row| row.0).collect();
        assert_eq!(kept, self.world.kept_admins().collect::<Vec<_>>());
        let held = braked::held(app, workspace, None, 1000).await.unwrap();
        let held: BTreeMap<_, _> = held.into_iter().map(|it| (it.member, it.until)).collect();
        let expected = self.world.members.iter();
        let expected = expected.filter_map(|(id, member)| Some((*id, member.braked?.until)));
        assert_eq!(held, expected.collect::<BTreeMap<_, _>>());
    }

    /// Rules have effect when they should.
    async fn compare_rules(&self) {
        let listed = rules::list(&self.gateway.app, self.workspace.id).await;
        let found = listed.unwrap().into_iter();
        let found = found.map(|it| (it.id, it.in_effect, it.state == RuleState::Broken));
        let world = &self.world;
        let expected = world.current().into_iter().map(|at| &world.rules[at]);
        let expected = expected.map(|it| (it.id, it.is_live(world.now), it.is_broken));
        assert_eq!(
            found.collect::<BTreeSet<_>>(),
            expected.collect::<BTreeSet<_>>()
        );
    }

    /// Seats are counted once, on every path.
    async fn compare_seats(&self) {
        let shown = seats::show(&self.gateway.app, self.workspace.id).await;
        let (shown, world) = (shown.unwrap(), &self.world);
        assert_eq!(shown.limit, world.limit);
        assert_eq!(shown.taken, world.taken());
        let waiting = world.members.values().filter(|it| it.waits.is_some());
        assert_eq!(usize::try_from(shown.waiting), Ok(waiting.count()));
    }

    /// Whom a User is linked to stays so, whatever its names are.
    async fn compare_links(&self) {
        for directory in 0..2 {
            let expected = self.world.users_of(directory).values();
            let expected = expected.map(|user| (user.id.clone(), user.member));
            assert_eq!(
                self.linked(directory).await,
                expected.collect::<BTreeMap<_, _>>()
            );
        }
    }

    /// Out means out: whoever is in no longer has another epoch than before.
    async fn compare_epochs(&mut self) {
        let mut tx = self.gateway.app.db.one().await.unwrap();
        let rows: Vec<(MemberId, i64)> = tx
            .query("SELECT id, access_epoch FROM members WHERE workspace = $1")
            .bind(self.workspace.id)
            .fetch_all()
            .await
            .unwrap();
        drop(tx);
        let mut epochs = BTreeMap::new();
        for (id, epoch) in rows {
            let is_in = self.world.members[&id].status == Status::Active;
            if let Some((was_in, before)) = self.seen.epochs.get(&id) {
                let least = before + i64::from(*was_in && !is_in);
                assert!(epoch >= least, "{id}: {epoch} after {before}");
            }
            epochs.insert(id, (is_in, epoch));
        }
        assert_eq!(epochs.len(), self.world.members.len());
        self.seen.epochs = epochs;
    }
}

/// What a member has, by its number.
fn rights(member: &members::Listed) -> BTreeSet<usize> {
    let all = (0..RIGHTS).filter(|at| {
        let Right { kind, name } = right(*at);
        let of_kind = match kind {
            GrantKind::Team => &member.teams,
            GrantKind::Role => &member.roles,
            GrantKind::Permission => &member.permissions,
        };
        of_kind.contains(&name)
    });
    let all: BTreeSet<usize> = all.collect();
    let count = member.teams.len() + member.roles.len() + member.permissions.len();
    assert_eq!(all.len(), count, "{member:?}");
    all
}

async fn count_changes(gateway: &Gateway, workspace: WorkspaceId) -> BTreeMap<String, i64> {
    let mut tx = gateway.app.db.one().await.unwrap();
    let rows: Vec<(String, i64)> = tx
        .query("SELECT kind, COUNT(*) FROM changes WHERE workspace = $1 GROUP BY kind")
        .bind(workspace)
        .fetch_all()
        .await
        .unwrap();
    rows.into_iter().collect()
}
