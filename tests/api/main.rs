//! The surfaces through the real router and a real database; and the shape of the crate.

mod architecture;
mod coverage;
mod dependencies;
mod faults;
mod gateway;
mod hostile;
mod identity;
mod limits;
mod mapping;
mod pushdown;
mod races;
mod raw;
mod shapes;
