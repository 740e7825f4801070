//! The single step by which anybody becomes a member, and the only way from facts to grants.
//!
//! `arrival` says who a person is and makes, links or revives the member; `departure` takes access
//! away; `holds` lets those in again whom a restore brought back; `settle` holds what rules want
//! against the ledger, and `fields` fills in what they say of a profile; `runs` and `sweep` do so for many members in batches. `rules` is the life of a
//! rule and `templates` adds many at once, both by what `defining` makes of an admin's words and
//! `carrying` carries out; `phases` begins and ends rules whose time has come; `plans` tells what
//! would become of a change, by `effects`; `check` looks whether all is settled. Of SCIM documents it knows only that
//! rules are held against them.

pub mod arrival;
pub mod brake;
mod carrying;
pub mod check;
mod defining;
mod definition;
pub mod departure;
mod effects;
pub mod entry;
mod fields;
pub mod holds;
pub mod phases;
pub mod planned;
pub mod plans;
pub mod rules;
pub mod runs;
pub mod settle;
pub mod sweep;
pub mod templates;
