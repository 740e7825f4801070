//! The single step by which anybody becomes a member, and the only way from facts to grants.
//!
//! `arrival` says who a person is and makes, links or revives the member; `departure` takes access
//! away; `holds` lets those in again whom a restore brought back; `settle` holds what rules want
//! against the ledger; `runs` and `sweep` do so for many members in batches; `rules` and
//! `templates` add rules; `check` looks whether all is settled. Of SCIM documents it knows only that
//! rules are held against them.

pub mod arrival;
pub mod brake;
pub mod check;
pub mod departure;
pub mod entry;
pub mod holds;
pub mod rules;
pub mod runs;
pub mod settle;
pub mod sweep;
pub mod templates;
