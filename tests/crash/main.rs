//! The gateway is killed, stopped, starved and cut off, and two of it work on one database: what it
//! acknowledged is there, nothing is half done, and it comes back by itself.
//!
//! The numbers of rounds are those of a run that must be over in minutes; `tests/long/crash` asks
//! for more by variables of the environment.

mod admins;
mod away;
mod bed;
mod brake;
mod client;
mod cluster;
mod crowd;
#[path = "../support/database.rs"]
mod database;
#[expect(dead_code, reason = "the tests of commands use more of it")]
#[path = "../support/deployment.rs"]
mod deployment;
mod disk;
mod history;
mod kill;
mod load;
mod nodes;
mod proxy;
mod scarce;
mod standby;
mod stop;
mod stopped;
mod torn;
mod writer;
