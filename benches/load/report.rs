//! The figures as Markdown for people and as JSON for the next comparison.

use std::fmt::Write;

use serde::Serialize;

use crate::measure::Figures;

/// The gateway beside the bare reference in the same run.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    /// Which database.
    pub engine: String,
    /// What was done.
    pub scenario: String,
    /// Requests a second, gateway by reference: more is better, 1 is the reference.
    pub throughput: f64,
    /// CPU a request, gateway by reference: less is better.
    pub cpu: f64,
}

/// The scenarios both servers know.
pub(crate) fn ratios(medians: &[Figures]) -> Vec<Ratio> {
    let references = medians
        .iter()
        .filter(|figures| figures.subject == "reference");
    references
        .filter_map(|reference| {
            let gatehouse = medians.iter().find(|figures| {
                figures.subject == "gatehouse"
                    && figures.engine == reference.engine
                    && figures.scenario == reference.scenario
            })?;
            Some(Ratio {
                engine: reference.engine.clone(),
                scenario: reference.scenario.clone(),
                throughput: gatehouse.per_second / reference.per_second,
                cpu: gatehouse.cpu_ms() / reference.cpu_ms(),
            })
        })
        .collect()
}

/// One table an engine and server, and one of the ratios.
pub(crate) fn markdown(medians: &[Figures], ratios: &[Ratio]) -> String {
    let mut text = String::new();
    let mut heading = None;
    for figures in medians {
        let next = (&figures.engine, &figures.subject);
        if heading != Some(next) {
            heading = Some(next);
            text.push_str(&table(&format!("{}, {}", figures.subject, figures.engine)));
        }
        text.push_str(&row(figures));
    }
    if !ratios.is_empty() {
        text.push_str("\n### gatehouse by reference\n\n| engine | scenario | throughput | CPU |\n");
        text.push_str("|---|---|--:|--:|\n");
    }
    for ratio in ratios {
        let Ratio {
            engine,
            scenario,
            throughput,
            cpu,
        } = ratio;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {engine} | {scenario} | {throughput:.2} | {cpu:.1} |"
        );
    }
    text
}

fn table(heading: &str) -> String {
    format!(
        "\n### {heading}\n\n| scenario | clients | requests | seconds | requests/s | p50 ms | \
         p95 ms | p99 ms | CPU ms server | CPU ms database | RSS MiB | peak |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    )
}

fn row(figures: &Figures) -> String {
    let known = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}"));
    format!(
        "| {} | {} | {} | {:.2} | {:.0} | {} | {} | {} | {:.3} | {} | {:.0} | {:.0} |\n",
        figures.scenario,
        figures.clients,
        figures.requests,
        figures.seconds,
        figures.per_second,
        known(figures.p50_ms),
        known(figures.p95_ms),
        known(figures.p99_ms),
        figures.server_cpu_ms,
        figures
            .database_cpu_ms
            .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.3}")),
        figures.rss_mib,
        figures.peak_rss_mib,
    )
}
