//! What an operator sees of a running process: its log, its metrics and its traces, each set up
//! once, by the commands.

mod figures;
mod logs;
mod metrics;
mod process;
mod traces;

pub use figures::{measure, observe};
pub use logs::start_quiet;
pub use metrics::{Kind, METRICS, Metric, Metrics, start_metrics};
pub use traces::{Traces, follow, start};
