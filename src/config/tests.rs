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
