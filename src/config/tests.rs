use std::path::Path;

use secrecy::ExposeSecret;

use super::{Config, Overrides, Problems};

fn load(variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, variables, Overrides::default())
}

#[test]
fn the_environment_goes_over_the_defaults() {
    let config = load(&[
        ("GATEHOUSE__LIMITS__PAGE_SIZE", "50"),
        ("GATEHOUSE__LOG__FORMAT", "json"),
        ("GATEHOUSE__SERVER__PUBLIC_URL", "https://gate.example"),
        ("PATH", "/bin"),
    ])
    .expect("valid");
    assert_eq!(config.limits.page_size, 50);
    assert_eq!(config.log.format.to_string(), "json");
    assert_eq!(config.server.listen.port(), 8080);
}

#[test]
fn every_problem_is_reported_at_once_with_its_key() {
    let problems = load(&[
        ("GATEHOUSE__SERVER__LISTEN", "nowhere"),
        ("GATEHOUSE__LIMITS__PAGE_SIZE", "many"),
        ("GATEHOUSE__LOG__COLOUR", "red"),
        ("GATEHOUSE__MAIL__HOST", "localhost"),
    ])
    .expect_err("four problems");
    let keys: Vec<_> = problems.keys().collect();
    assert_eq!(
        keys,
        ["server.listen", "limits.page_size", "log.colour", "mail"]
    );
}

#[test]
fn a_limit_has_a_floor_and_a_ceiling() {
    let quota = "GATEHOUSE__LIMITS__WORKSPACE_REQUESTS_PER_SECOND";
    assert!(load(&[(quota, "25")]).is_ok());
    assert!(load(&[(quota, "24")]).is_err());
    assert!(load(&[("GATEHOUSE__LIMITS__PAGE_SIZE", "1001")]).is_err());
}

// C218
#[test]
fn plain_http_is_for_loopback_unless_it_is_forced_by_name() {
    let check = |url: &str, force: &str, expect: bool| {
        let outcome = load(&[
            ("GATEHOUSE__SERVER__PUBLIC_URL", url),
            ("GATEHOUSE__SERVER__ALLOW_INSECURE_HTTP", force),
        ]);
        assert_eq!(outcome.is_ok(), expect, "{url} {force}");
    };
    check("http://127.0.0.1:8080", "false", true);
    check("http://localhost", "false", true);
    check("http://[::1]:80", "false", true);
    check("https://gate.example", "false", true);
    check("http://gate.example", "false", false);
    check("http://127.0.0.1.example", "false", false);
    check("ftp://gate.example", "true", false);
    check("http://gate.example", "true", true);
    let forced = load(&[("GATEHOUSE__SERVER__ALLOW_INSECURE_HTTP", "true")]).expect("valid");
    assert_eq!(forced.warnings().len(), 1);
}

// C218
#[test]
fn what_is_insecure_is_told_by_name() {
    let told = |variables: &[(&str, &str)]| load(variables).expect("valid").warnings().join("\n");
    assert_eq!(told(&[]), "");
    let listen = ("GATEHOUSE__SERVER__LISTEN", "0.0.0.0:8080");
    let public = ("GATEHOUSE__SERVER__PUBLIC_URL", "https://gate.example");
    let any = ("GATEHOUSE__SERVER__ALLOW_ANY_HOST", "true");
    assert!(told(&[listen]).contains("server.listen"));
    assert_eq!(told(&[listen, public]), "", "a proxy may have TLS");
    assert!(told(&[any, public]).contains("server.allow_any_host"));
}

#[test]
fn tls_proxies_and_hosts_are_checked_with_the_rest() {
    let check = |key: &str, value: &str, expect: &[&str]| {
        let cert = ("GATEHOUSE__SERVER__TLS_CERT", "tls.crt");
        let name = format!("GATEHOUSE__SERVER__{key}");
        let problems = match load(&[cert, (&name, value)]) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.keys().map(str::to_owned).collect(),
        };
        assert_eq!(problems, expect, "{key} {value}");
    };
    check("TLS_KEY", "tls.key", &[]);
    check("DRAIN_SECONDS", "30", &["server.tls_key"]);
    let url = "server.public_url";
    check("PUBLIC_URL", "http://localhost", &[url, "server.tls_key"]);
    let tls = ("GATEHOUSE__SERVER__TLS_CERT", "tls.crt");
    let key = ("GATEHOUSE__SERVER__TLS_KEY", "tls.key");
    let secure = load(&[tls, key]).expect("valid");
    assert_eq!(secure.public_url(), "https://127.0.0.1:8080");

    let list = "10.0.0.0/8, 192.0.2.7 ,2001:db8::/32";
    let proxies = "GATEHOUSE__SERVER__TRUSTED_PROXIES";
    let hosts = "GATEHOUSE__SERVER__HOSTS";
    let config = load(&[(proxies, list), (hosts, "gatehouse,Gate.example")]).expect("valid");
    assert_eq!(config.server.trusted_proxies.len(), 3);
    assert!(
        config
            .server
            .is_proxy("192.0.2.7".parse().expect("an address"))
    );
    assert!(
        !config
            .server
            .is_proxy("192.0.2.8".parse().expect("an address"))
    );
    assert_eq!(config.server.hosts, ["gatehouse", "Gate.example"]);
    for wrong in ["10.0.0.0/33", "everybody", "0.0.0.0/0", "::/0"] {
        assert!(load(&[(proxies, wrong)]).is_err(), "{wrong}");
    }
    for wrong in [
        "gate.example:8080",
        "https://gate.example",
        "gate.example/x",
        "*",
    ] {
        assert!(load(&[(hosts, wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let key = "8f1c0a5d3b7e9246c8d01f6a4b92e7357ad2c4518e0f93b6d71a2c5e84f06b39";
    let config = load(&[("GATEHOUSE__SECRETS__KEY", key)]).expect("valid");
    assert_eq!(
        config.secrets.key.as_ref().expect("set").expose_secret(),
        key
    );
    assert!(!format!("{config:?}").contains(key));
    assert!(!config.effective_toml().contains(key));
    assert!(config.effective_toml().contains("key = \"***\""));
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gatehouse.toml");
    let example = std::fs::read_to_string(path).expect("the example is there");
    let stated: String = example
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gatehouse.toml");
    std::fs::write(&file, &stated).expect("written");
    let config = Config::load(Some(&file), std::iter::empty(), Overrides::default())
        .expect("the example is valid");
    assert!(config.limits.page_size == Config::default().limits.page_size);
    for line in Config::default().effective_toml().lines() {
        let key = line
            .trim_start_matches("# ")
            .split(" = ")
            .next()
            .unwrap_or(line);
        assert!(stated.contains(key), "{key} is missing in the example");
    }
}

#[test]
fn traces_go_to_an_endpoint_of_http_with_a_path_of_the_standard() {
    let endpoint = "GATEHOUSE__TELEMETRY__OTLP_ENDPOINT";
    let check = |url: &str, expect: Option<&str>| {
        let spans = load(&[(endpoint, url)]).map(|config| config.telemetry.spans_url());
        assert_eq!(spans.ok().flatten().as_deref(), expect, "{url}");
    };
    check(
        "http://127.0.0.1:4318",
        Some("http://127.0.0.1:4318/v1/traces"),
    );
    check("https://otel.example/in/", Some("https://otel.example/in/"));
    check("ftp://otel.example", None);
    check("https://user:secret@otel.example", None);
    assert!(load(&[]).expect("valid").telemetry.spans_url().is_none());
    let ratio = "GATEHOUSE__TELEMETRY__SAMPLE_RATIO";
    assert!(load(&[(ratio, "1")]).is_ok());
    assert!(load(&[(ratio, "1.1")]).is_err());
    assert!(load(&[("GATEHOUSE__TELEMETRY__SERVICE_NAME", " ")]).is_err());
}
