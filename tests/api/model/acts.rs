//! What admins and operators do, and time.

use std::time::Duration;

use gatehouse::admission::brake::{self as braked, Setting, Which};
use gatehouse::admission::import::{self, Format, Options, Outcome};
use gatehouse::changes::Origin;
use gatehouse::error::Error;
use gatehouse::ids::MemberId;
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::members::{GrantKind, Status};
use gatehouse::workspace::seats::{self, Limit, SeatRelease};
use gatehouse::workspace::{manual, status};

use super::steps::Step;
use super::{Pair, address, right};

impl Pair<'_> {
    /// What admins do, and what time does.
    pub(super) async fn administer(&mut self, step: &Step) {
        let (app, origin, scopes) = (&self.gateway.app, Origin::cli(), Scopes::everything());
        let (by, workspace) = ((&origin, &scopes), self.workspace.id);
        let known = |at: &usize| self.known[at % self.known.len()];
        match step {
            Step::Suspend(at) => {
                let id = known(at);
                let done = status::suspend(app, by, (workspace, id)).await;
                assert_eq!(done.is_ok(), self.world.suspend(id), "{done:?}");
            }
            Step::Activate(at) => {
                let id = known(at);
                let done = status::activate(app, by, (workspace, id)).await;
                assert_eq!(done.is_ok(), self.world.activate(id), "{done:?}");
            }
            Step::Remove(at) => {
                let id = known(at);
                let as_it_is = Precondition::default();
                let done = status::remove(app, by, (workspace, id), as_it_is).await;
                assert_eq!(done.is_ok(), self.world.remove(id), "{done:?}");
            }
            Step::Give(at, what) => {
                let id = known(at);
                let done = manual::give(app, by, (workspace, id), vec![right(*what)]).await;
                if self.expect(id, &done.map(drop)) {
                    self.world.give(id, *what);
                }
            }
            Step::Take(at, what) => {
                let id = known(at);
                let done = manual::take(app, by, (workspace, id), vec![right(*what)]).await;
                assert_eq!(done.is_ok(), self.world.take(id, *what), "{done:?}");
            }
            Step::Release(one) => {
                let (ids, which) = match one {
                    Some(at) => (vec![known(at)], Which::These(vec![known(at)])),
                    None => (self.world.held(), Which::All),
                };
                braked::release(app, &origin, workspace, which)
                    .await
                    .unwrap();
                self.world.release(&ids);
            }
            Step::Wait => {
                braked::wait(app, &origin, workspace, Which::All)
                    .await
                    .unwrap();
                self.world.wait();
            }
            Step::Advance(minutes) => {
                let by = Duration::from_mins(*minutes);
                self.clock.advance(by);
                let (began, lapsed) = self.world.advance(by);
                self.count_many("rule.began", began);
                self.count_many("rule.lapsed", lapsed);
            }
            Step::Brake(mode) => {
                let setting = Setting {
                    mode: *mode,
                    ..Setting::default()
                };
                braked::set(app, &origin, workspace, setting).await.unwrap();
                self.world.mode = *mode;
            }
            Step::Protect(at, protected) => {
                let id = known(at);
                let done = status::protect(app, &origin, (workspace, id), *protected).await;
                assert_eq!(done.is_ok(), self.world.protect(id, *protected), "{done:?}");
            }
            Step::Seats(limit, policy, grace) => {
                let limit = Limit {
                    seat_limit: *limit,
                    seat_policy: *policy,
                    seat_release: SeatRelease::OnSuspend,
                    seat_grace: *grace,
                    seat_contact: None,
                };
                seats::set(app, &origin, workspace, limit.clone())
                    .await
                    .unwrap();
                if self.world.set_limit(&limit) {
                    self.count("workspace.seats_set");
                }
            }
            _ => unreachable!("a directory's step"),
        }
    }

    /// Whether an act upon a member was done: it must be, unless the member is gone.
    fn expect(&self, id: MemberId, done: &Result<(), Error>) -> bool {
        let is_gone = self.world.members[&id].status == Status::Removed;
        assert_eq!(done.is_err(), is_gone, "{done:?}");
        !is_gone
    }

    /// A row of a table: an address, and a right.
    pub(super) async fn import(&mut self, (place, what): (usize, usize), revive: bool) {
        let (app, workspace) = (&self.gateway.app, self.workspace.id);
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let given = right(what);
        let column = match given.kind {
            GrantKind::Team => "teams",
            GrantKind::Role => "roles",
            GrantKind::Permission => "permissions",
        };
        let table = format!("email,{column}\n{},{}\n", address(place), given.name);
        let options = Options {
            preview: false,
            revive,
        };
        let (by, table) = ((&origin, &scopes), (table.as_bytes(), Format::Csv));
        let shown = import::start(app, by, workspace, table, options).await;
        let id = shown.unwrap().import.id;
        let rows = import::list_rows(app, workspace, id, 0, 10).await.unwrap();
        let (outcome, member) = self.world.import((place, what), revive);
        assert_eq!(rows[0].outcome, outcome, "{rows:?}");
        self.count("import.finished");
        let Some(id) = rows[0].member else {
            assert_eq!((outcome, member), (Outcome::Refused, None), "{rows:?}");
            return;
        };
        match member {
            Some(member) => assert_eq!(id, member),
            None => {
                self.world.expect(id, place, what);
                self.known.push(id);
            }
        }
    }
}
