//! How people come in: the first door, which an operator opens at the command line.

pub mod first_door;
