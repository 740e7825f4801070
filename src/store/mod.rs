//! All SQL, and nothing else. Use cases decide, `store` reads and writes.
//!
//! One SQL text serves both engines. What that asks for:
//!
//! * `$1` placeholders; ids bound as UUID, never as text; times bound, never `now()`.
//! * What is compared, sorted or searched is a key column that was folded in Rust and is declared
//!   `COLLATE "C"`, so that no locale decides.
//! * Row locks by [`tx::Tx::locked`]: the clause is appended on PostgreSQL, nothing on SQLite, which
//!   has one writer. Locks are taken in this order: workspace (rules, nestings), groups in id order,
//!   users in id order, members in id order.
//! * After a failed statement the transaction is given up. Where a duplicate is expected, the
//!   statement says `ON CONFLICT`.
//! * Race safety is a `WHERE` clause or a unique index, not an `if`.
//! * Verbs are fixed: `insert`, `find`, `find_by_x`, `list`, `count`, `update`, `delete`, `lock`.
//!
//! The alternative, one implementation for each engine behind a trait, was left out: two copies of
//! the same SQL drift apart.

pub mod access;
pub mod admins;
pub mod api_keys;
mod aside;
pub mod awaiting;
mod begun;
pub mod brake;
pub mod braked;
pub mod buried_groups;
pub mod candidates;
pub mod causes;
pub mod changes;
pub mod connections;
pub mod db;
pub mod deployment;
pub mod details;
pub mod directories;
pub mod directory_runs;
pub mod domains;
pub mod edges;
pub mod erasures;
pub mod error;
pub mod exits;
pub mod faults;
pub mod figures;
pub mod filter_sql;
pub mod former;
pub mod grants;
pub mod groups;
pub mod history;
pub mod holders;
pub mod idempotency;
pub mod identities;
pub mod imports;
pub mod join_requests;
pub mod live_rules;
pub mod login_flows;
pub mod login_names;
pub mod logins;
pub mod managers;
mod measure;
pub mod member_search;
pub mod members;
pub mod memberships;
pub mod migrate;
pub mod nestings;
pub mod one_time_links;
pub mod opened;
pub mod operator_acts;
pub mod outlooks;
pub mod permissions;
pub mod phases;
pub mod plans;
mod postgres;
pub mod profiles;
pub mod prospects;
pub mod purge;
pub mod quotas;
pub mod refusals;
pub mod replacement;
pub mod request_log;
pub mod requested;
pub mod resources;
pub mod retention;
pub mod roles;
pub mod rule_sources;
pub mod rules;
pub mod runs;
pub mod schemas;
pub mod search;
pub mod seats;
pub mod sessions;
pub mod sign_in_policies;
pub mod spent_tokens;
pub mod spots;
mod standing;
pub mod stats;
mod stock;
pub mod tables;
pub mod teams;
pub mod tx;
pub mod unique_values;
pub mod unlinked;
pub mod users;
mod values;
pub mod verify;
pub mod workspaces;
pub mod writer;
