//! The cases, by where they come from.
//!
//! A case is an id, the profiles it belongs to, a sentence and a few steps; what several share is a
//! word of [`Session`](super::session::Session) or a function of `lives`. Bodies read as the line
//! they check: make, change, look.

mod bulk;
mod entra_groups;
mod entra_users;
mod gallery;
mod lives;
mod members;
mod oin;
mod okta;
mod patch;
mod postman;
mod queries;
mod rfc_discovery;
mod rfc_query;
mod rfc_resources;
mod wire;

use super::Case;
use super::resources::USER;

/// Every case, in the order they run.
pub(super) const ALL: &[&[Case]] = &[
    rfc_discovery::CASES,
    entra_users::CASES,
    entra_groups::CASES,
    gallery::CASES,
    postman::CASES,
    okta::CASES,
    oin::CASES,
    patch::CASES,
    members::CASES,
    wire::CASES,
    queries::CASES,
    rfc_resources::CASES,
    rfc_query::CASES,
    bulk::CASES,
];

/// A table of cases: `"id" [profiles] "sentence" |session| { steps }`. The steps may use `?` and
/// end well when they reach their end.
macro_rules! cases {
    ($($id:literal [$($profile:ident)+] $name:literal |$session:ident| $steps:block)*) => {
        pub(super) const CASES: &[crate::virtual_idp::selftest::Case] = &[$(
            crate::virtual_idp::selftest::Case {
                id: $id,
                name: $name,
                profiles: &[$(crate::virtual_idp::selftest::Profile::$profile),+],
                run: {
                    async fn run(
                        $session: &crate::virtual_idp::selftest::session::Session,
                    ) -> crate::virtual_idp::selftest::reply::Checked {
                        $steps
                        Ok(())
                    }
                    |session| Box::pin(run(session))
                },
            },
        )*];
    };
}
use cases;
