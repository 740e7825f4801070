//! How admins write rules.

use gatehouse::admission::rules::{self, Missing, RuleEdit};
use gatehouse::changes::Origin;
use gatehouse::ids::RuleId;
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::members::GrantKind;

use super::rules::Edit;
use super::{Pair, right};

impl Pair<'_> {
    pub(super) async fn add_rule(&mut self, edit: &Edit) {
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, workspace) = ((&origin, &scopes), self.workspace.id);
        let told = self.told(edit, true);
        let added = rules::create(&self.gateway.app, by, workspace, told, Missing::Refuse).await;
        let id = added.as_ref().map_or_else(|_| RuleId::new(), |it| it.id);
        let after = self.world.edited(Err(id), edit);
        assert_eq!(added.is_ok(), after.is_some(), "{added:?}");
        let Ok(added) = added else {
            return;
        };
        let is_run = self.write(None, after, added.run).await;
        assert_eq!(is_run, added.run.is_some(), "{added:?}");
    }

    pub(super) async fn change_rule(&mut self, at: usize, edit: &Edit) {
        let Some((at, id)) = self.rule(at) else {
            return;
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let what = (self.told(edit, false), Missing::Refuse);
        let (by, which) = ((&origin, &scopes), (self.workspace.id, id));
        let changed = rules::change(&self.gateway.app, by, which, Precondition::default(), what);
        let changed = changed.await;
        let after = self.world.edited(Ok(at), edit);
        let is_ok = after.is_some() && !self.world.is_written(id);
        assert_eq!(changed.is_ok(), is_ok, "{changed:?}");
        let Ok(changed) = changed else {
            return;
        };
        if after.as_ref() != Some(&self.world.rules[at]) {
            let is_run = self.write(Some(at), after, changed.run).await;
            assert_eq!(is_run, changed.run.is_some(), "{changed:?}");
        }
    }

    pub(super) async fn end_rule(&mut self, at: usize) {
        let Some((at, id)) = self.rule(at) else {
            return;
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, which) = ((&origin, &scopes), (self.workspace.id, id));
        let ended = rules::end(&self.gateway.app, by, which, Precondition::default());
        let ended = ended.await;
        assert_eq!(ended.is_err(), self.world.is_written(id), "{ended:?}");
        if let Ok(ended) = ended {
            let is_run = self.write(Some(at), None, ended.run).await;
            assert_eq!(is_run, ended.run.is_some(), "{ended:?}");
        }
    }

    /// One of the rules that are there, with its version that holds now.
    pub(super) fn rule(&self, at: usize) -> Option<(usize, RuleId)> {
        let current = self.world.current();
        let at = *current.get(at % current.len().max(1))?;
        Some((at, self.world.rules[at].id))
    }

    /// An edit as it is sent.
    pub(super) fn told(&self, edit: &Edit, is_new: bool) -> RuleEdit {
        let groups = edit.groups.as_ref();
        let right = edit.right.map(right);
        let of = |kind| {
            let right = right.as_ref();
            let named = right.map(|it| (it.kind == kind).then(|| it.name.clone()));
            named.map(|name| name.into_iter().collect())
        };
        let now = self.world.now;
        RuleEdit {
            directory: is_new.then(|| "idp".to_owned()),
            groups: groups.map(|of| of.iter().map(|at| format!("G{at}")).collect()),
            teams: of(GrantKind::Team),
            roles: of(GrantKind::Role),
            permissions: of(GrantKind::Permission),
            enabled: edit.enabled,
            priority: edit.priority,
            stop: edit.stop,
            from: Edit::time(&edit.from, now),
            until: Edit::time(&edit.until, now),
            ..RuleEdit::default()
        }
    }
}
