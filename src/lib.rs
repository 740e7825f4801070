//! Gatehouse: a SCIM 2.0 and OAuth identity provisioning gateway.

pub mod clock;
pub mod error;
pub mod ids;
pub mod scim;
pub mod store;
