//! What the system says of this process, read from `/proc`; nothing where there is none.

use std::fs;
use std::sync::OnceLock;

/// Ticks of the kernel's accounts in a second: 100 on every Linux.
const TICKS: f64 = 100.0;

/// Sets the gauges of the process.
pub(super) fn observe() {
    if let Some(status) = read("/proc/self/status")
        && let Some(kib) = field(&status, "VmRSS:")
    {
        metrics::gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let count = u32::try_from(files.count()).unwrap_or(u32::MAX);
        metrics::gauge!("process_open_fds").set(f64::from(count.saturating_sub(1)));
    }
    if let Some(limits) = read("/proc/self/limits")
        && let Some(most) = field(&limits, "Max open files")
    {
        metrics::gauge!("process_max_fds").set(most);
    }
    if let Some((cpu, started)) = read("/proc/self/stat").and_then(|stat| times(&stat)) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter holds whole seconds"
        )]
        metrics::counter!("process_cpu_seconds_total").absolute(cpu as u64);
        if let Some(booted) = booted() {
            metrics::gauge!("process_start_time_seconds").set(booted + started);
        }
    }
}

/// Processor time so far, and when after boot the process started, in seconds (proc(5)).
fn times(stat: &str) -> Option<(f64, f64)> {
    // The second field is the name in brackets and may hold anything.
    let after = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| -> Option<f64> { fields.get(at)?.parse().ok() };
    Some(((ticks(11)? + ticks(12)?) / TICKS, ticks(19)? / TICKS))
}

/// When the machine was booted; it does not change.
fn booted() -> Option<f64> {
    static BOOTED: OnceLock<Option<f64>> = OnceLock::new();
    *BOOTED.get_or_init(|| read("/proc/stat").and_then(|stat| field(&stat, "btime")))
}

/// The number behind a word at the beginning of a line.
fn field(text: &str, word: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::{field, times};

    #[test]
    fn what_the_system_says_is_read() {
        let status = "Name:\tgatehouse\nVmRSS:\t   20480 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some(20480.0));
        assert_eq!(field(status, "VmSwap:"), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 12345 1 2";
        assert_eq!(times(stat), Some((3.0, 123.45)));
        assert_eq!(times("7 (a"), None);
    }
}
