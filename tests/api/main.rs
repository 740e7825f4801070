//! The surfaces through the real router and a real database; and the shape of the crate.

mod architecture;
mod dependencies;
