//! The single step by which anybody becomes a member, and the only way from facts to grants.
//!
//! `arrival` makes, links or revives the member of a person, whom `recognition` finds among those whom
//! the workspace has, and `adoption` lets admins say who is who; `going_live` and `exit`
//! do so for all Users of a directory, of whom `prospects` tells what they get and `live_plans` keeps what was told, and `import` brings many
//! in from a table; `departure` takes access
//! away; `editing` and `restoration` write by hand what a member shows, `followed` keeps fields in line with a directory, and `reports` looks again for managers who
//! were not there; `holds` lets those in again whom a restore brought back; `settle` holds what rules want
//! of `facts` against the ledger, and `fields` fills in what they say of a profile; `runs` and `sweep` do so for many members in batches. `rules` is the life of a
//! rule and `templates` adds many at once, both by what `defining` makes of an admin's words and
//! `carrying` carries out for whom `reach` finds; `phases` begins and ends rules whose time has come; `plans` tells what
//! would become of a change, by `effects`; `outlook` what would become of an act upon many; `absence` tells why somebody is in or not; `check` looks whether all is settled. Of SCIM documents it knows only that
//! rules are held against them.

pub mod absence;
pub mod adoption;
pub mod arrival;
pub mod brake;
mod carrying;
pub mod check;
mod defining;
mod definition;
pub mod departure;
pub mod directory_runs;
pub mod editing;
mod effects;
pub mod entry;
pub mod exit;
mod facts;
mod fields;
pub mod first_login;
pub mod followed;
mod foreseen;
pub mod former_rules;
pub mod going_live;
pub mod holds;
pub mod import;
pub mod intended;
pub mod join_requests;
mod linking;
pub mod live_plans;
pub mod outlook;
mod parting;
pub mod phases;
pub mod planned;
pub mod plans;
mod prospects;
mod reach;
pub mod reasons;
pub mod recognition;
pub mod regained;
pub mod regrouping;
pub mod reports;
pub mod restoration;
pub mod rules;
pub mod runs;
pub mod settle;
pub mod shown;
pub mod sweep;
pub mod templates;
