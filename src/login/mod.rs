//! How people come in: the first door, which an operator opens at the command line, and connections,
//! through which people sign in at a provider of their company.
//!
//! What the protocols want is done by their crates, `openidconnect` and `oauth2`, and by nothing else.
//! A login never says who somebody is in a workspace: that is [`crate::admission::first_login`]'s.

mod checks;
mod claims;
pub mod connections;
pub mod first_door;
pub mod flow;
pub mod logout;
mod named;
mod paths;
pub mod policy;
mod presets;
mod provider;
mod refused;
pub mod report;
pub mod revocation;
pub mod sessions;
pub mod settings;
mod tokens;
mod trouble;

pub use claims::Person;
pub use refused::Refused;
