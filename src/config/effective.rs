//! The settings as TOML, secrets masked: what `check-config` prints.

use std::fmt::{Display, Write};

use super::Config;

impl Config {
    /// Every setting with its effective value, secrets as `***`; those that are not set are
    /// commented out.
    pub fn effective_toml(&self) -> String {
        let mut text = Text(String::new());
        let server = &self.server;
        text.section("server");
        text.quoted("listen", server.listen);
        text.optional("public_url", server.public_url.as_ref());
        text.optional("metrics_listen", server.metrics_listen);
        text.optional("tls_cert", server.tls_cert.as_ref().map(|it| it.display()));
        text.optional("tls_key", server.tls_key.as_ref().map(|it| it.display()));
        text.list("trusted_proxies", &server.trusted_proxies);
        text.list("hosts", &server.hosts);
        text.bare("allow_any_host", server.allow_any_host);
        text.bare("allow_insecure_http", server.allow_insecure_http);
        text.bare("drain_seconds", server.drain_seconds);
        text.bare("header_seconds", server.header_seconds);
        text.bare("body_seconds", server.body_seconds);
        text.bare("write_seconds", server.write_seconds);
        text.bare("max_connections", server.max_connections);
        let database = &self.database;
        text.section("database");
        text.quoted("url", masked(&database.url));
        text.bare("max_connections", database.max_connections);
        text.bare("acquire_seconds", database.acquire_seconds);
        text.bare("statement_seconds", database.statement_seconds);
        text.bare("shared_commits", database.shared_commits);
        text.section("secrets");
        text.optional("key", self.secrets.key.as_ref().map(|_| "***"));
        let key_file = self.secrets.key_file.as_ref();
        text.optional("key_file", key_file.map(|path| path.display()));
        let limits = &self.limits;
        text.section("limits");
        text.bare("body_user_bytes", limits.body_user_bytes);
        text.bare("body_group_bytes", limits.body_group_bytes);
        text.bare("page_size", limits.page_size);
        text.bare("search_milliseconds", limits.search_milliseconds);
        text.bare("requests_in_flight", limits.requests_in_flight);
        text.bare("workspace_in_flight", limits.workspace_in_flight);
        text.bare("queue_milliseconds", limits.queue_milliseconds);
        match limits.workspace_requests_per_second {
            Some(quota) => text.bare("workspace_requests_per_second", quota),
            None => text.bare("# workspace_requests_per_second", 25),
        }
        text.section("log");
        text.quoted("format", self.log.format);
        text.quoted("filter", &self.log.filter);
        let scim = &self.scim;
        text.section("scim");
        let members = scim.generic_patch_group_body_members;
        text.bare("generic_patch_group_body_members", members);
        text.bare("run_threshold", scim.run_threshold);
        text.bare("run_batch", scim.run_batch);
        text.bare("bulk_operations", scim.bulk_operations);
        let folder = scim.schema_folder.as_ref();
        text.optional("schema_folder", folder.map(|path| path.display()));
        let log = &self.request_log;
        text.section("request_log");
        text.bare("enabled", log.enabled);
        text.bare("keep_days", log.keep_days);
        text.bare("queue", log.queue);
        text.bare("body_bytes", log.body_bytes);
        text.section("outbound");
        text.list("open_networks", &self.outbound.open_networks);
        text.bare("call_milliseconds", self.outbound.call_milliseconds);
        text.bare("answer_bytes", self.outbound.answer_bytes);
        text.section("brand");
        text.quoted("name", &self.brand.name);
        let logo = self.brand.logo.as_ref();
        text.optional("logo", logo.map(|path| path.display()));
        let telemetry = &self.telemetry;
        text.section("telemetry");
        text.optional("otlp_endpoint", telemetry.otlp_endpoint.as_ref());
        text.bare("sample_ratio", format!("{:?}", telemetry.sample_ratio));
        text.quoted("service_name", &telemetry.service_name);
        text.bare("trust_traceparent", telemetry.trust_traceparent);
        text.section("permissions");
        text.list("catalogue", &self.permissions.catalogue);
        let retention = &self.retention;
        text.section("retention");
        for (key, days) in [
            ("removed_members_days", retention.removed_members_days),
            ("tombstones_days", retention.tombstones_days),
        ] {
            match days {
                Some(days) => text.bare(key, days),
                None => text.bare(&format!("# {key}"), 365),
            }
        }
        text.bare("conflicts_days", retention.conflicts_days);
        text.bare("deleted_workspaces_days", retention.deleted_workspaces_days);
        text.bare("ended_directories_days", retention.ended_directories_days);
        let list = retention.erasure_list.as_ref();
        text.optional("erasure_list", list.map(|path| path.display()));
        text.0
    }
}

/// A database URL without its password.
fn masked(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

struct Text(String);

impl Text {
    fn section(&mut self, name: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.0, "{gap}[{name}]");
    }

    fn bare(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn list(&mut self, key: &str, values: &[impl Display]) {
        let values: Vec<_> = values.iter().map(|it| format!("\"{it}\"")).collect();
        self.bare(key, format!("[{}]", values.join(", ")));
    }

    fn quoted(&mut self, key: &str, value: impl Display) {
        let value = value.to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(self.0, "{key} = \"{value}\"");
    }

    fn optional(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.quoted(key, value),
            None => self.quoted(&format!("# {key}"), ""),
        }
    }
}
