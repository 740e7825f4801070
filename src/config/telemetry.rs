use serde::Deserialize;
use url::Url;

use super::Problems;

/// Traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces go: a collector that speaks OTLP over HTTP; none if not set.
    pub otlp_endpoint: Option<Url>,
    /// Which part of the requests is traced.
    pub sample_ratio: f64,
    /// How this service is called there.
    pub service_name: String,
    /// Whether a request may say which trace it is a part of.
    pub trust_traceparent: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            sample_ratio: 0.1,
            service_name: "gatehouse".to_owned(),
            trust_traceparent: false,
        }
    }
}

impl Telemetry {
    /// Where spans are posted: the path of the standard, unless the setting has one of its own.
    pub fn spans_url(&self) -> Option<String> {
        let endpoint = self.otlp_endpoint.as_ref()?;
        let mut url = endpoint.clone();
        if matches!(url.path(), "" | "/") {
            url.set_path("/v1/traces");
        }
        Some(url.into())
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let endpoint = self.otlp_endpoint.as_ref();
        if endpoint.is_some_and(|url| !matches!(url.scheme(), "https" | "http")) {
            let problem = "must begin with https:// or http://";
            problems.add("telemetry.otlp_endpoint", problem);
        }
        if endpoint.is_some_and(|url| url.password().is_some() || !url.username().is_empty()) {
            problems.add("telemetry.otlp_endpoint", "must hold no credentials");
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            problems.add("telemetry.sample_ratio", "must be 0.0 to 1.0");
        }
        if self.service_name.trim().is_empty() {
            problems.add("telemetry.service_name", "must not be empty");
        }
    }
}
