//! Gatehouse: a SCIM 2.0 and OAuth identity provisioning gateway.
//!
//! Facts come in (`directory`), a person becomes a member (`admission`), rules turn facts into
//! wanted grants (`mapping`), the ledger keeps who has what and because of what (`workspace`), and
//! every step is told (`changes`). Arrows point one way: leaves <- `scim` <- `store` <- `app` <-
//! `changes` <- `accounts` <- `workspace` <- `mapping` <- `admission` <- `directory`, `login` <- `configuration` <- `backup`, `http`, `worker` <- `cli`.
//!
//! What holds everywhere, checked by `tests/api/architecture.rs`: `scim` does no IO; `axum` is named
//! only in `http`; `sqlx` is named only in `store` and in the derives of `ids` and `clock`; time
//! comes from `app.clock`; no file is longer than 500 lines.

pub mod accounts;
pub mod admission;
pub mod app;
pub mod backup;
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod configuration;
pub mod directory;
pub mod error;
pub mod http;
pub mod ids;
pub mod login;
pub mod mapping;
pub mod scim;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod virtual_idp;
pub mod worker;
pub mod workspace;
