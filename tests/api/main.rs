//! The surfaces through the real router and a real database; and the shape of the crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admins;
mod architecture;
mod audit;
mod brake;
mod bulk;
mod changes;
mod clocks;
mod coverage;
#[path = "../support/database.rs"]
mod database;
mod dear;
mod dependencies;
mod dialects;
mod discovery;
mod etags;
mod expiry;
mod faults;
mod frames;
mod gateway;
mod history;
mod hostile;
mod hosts;
mod identity;
mod keys;
mod limits;
mod log_writer;
mod manage_members;
mod management;
mod mapping;
mod members;
mod model;
mod nested;
mod nesting;
mod operated;
mod oracle;
mod plans;
mod pushdown;
mod races;
mod raw;
mod registering;
mod replay;
mod request_log;
mod rfc;
mod seats;
mod secure;
mod shapes;
mod sorting;
mod standard;
mod teams;
mod templates;
mod tls;
mod types;
mod when;
mod when_many;
