//! `serve` as a service manager runs it: sockets that it hands over, what it is told, signals, TLS,
//! and what the start says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::deployment::{Deployment, free_port};
use crate::telemetry::Scrape;

/// How long anything may take; far more than it needs.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server in a process of its own, and what it logs; it ends with the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that holds this; gives all lines until then.
    fn logged(&self, what: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(what)) {
            let line = self.lines.recv_timeout(DEADLINE);
            seen.push(line.unwrap_or_else(|_| panic!("no line holds {what}: {seen:?}")));
        }
        seen
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    fn ends(mut self) {
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command with a socket at the place where systemd puts its first.
fn activated(deployment: &Deployment, listener: TcpListener, arguments: &[&str]) -> Command {
    let program = deployment.command(arguments);
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; \
                  export LISTEN_FDS LISTEN_PID; exec \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(deployment.folder())
        .args(["-c", script])
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::from(OwnedFd::from(listener)));
    command
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_systemd_opened_is_served_and_it_is_told_how_it_stands() {
    let deployment = Deployment::new().await;
    let path = deployment.folder().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let told = |what: &str| {
        let mut part = [0; 256];
        let deadline = Instant::now() + DEADLINE;
        loop {
            let count = manager.recv(&mut part).unwrap();
            let text = String::from_utf8_lossy(&part[..count]).into_owned();
            if text.lines().any(|line| line == what) {
                return text;
            }
            assert!(Instant::now() < deadline, "never told {what}");
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // What a client sends before the server is there waits in the socket.
    let early = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(format!("http://{address}/readyz"));
    let early = tokio::spawn(early.send());
    let mut command = activated(&deployment, listener, &["serve"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1000000");
    let server = Running::start(command);
    told("READY=1");
    assert_eq!(early.await.unwrap().unwrap().status(), 200);
    told("WATCHDOG=1");
    server.signal("-HUP");
    let reloading = told("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    told("READY=1");
    server.signal("-TERM");
    told("STOPPING=1");
    server.ends();
}

/// Writes a certificate that ends with that year's begin, with its key.
fn write_pair(folder: &Path, year: i32) -> reqwest::Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn a_certificate_that_changes_is_taken_up_by_itself_and_on_sighup() {
    let deployment = Deployment::new().await;
    let first = write_pair(deployment.folder(), 2100);
    let (listen, metrics) = (free_address(), free_address());
    let port = listen.rsplit(':').next().unwrap().to_owned();
    let mut command = deployment.command(&["serve", "--listen", &listen]);
    command
        .env("GATEHOUSE__SERVER__TLS_CERT", "tls.crt")
        .env("GATEHOUSE__SERVER__TLS_KEY", "tls.key")
        .env("GATEHOUSE__SERVER__METRICS_LISTEN", &metrics);
    let server = Running::start(command);
    server.logged("serving on");
    let ask = async |trusted: &reqwest::Certificate| {
        let client = reqwest::Client::builder().tls_certs_only([trusted.clone()]);
        let url = format!("https://localhost:{port}/readyz");
        let answer = client.build().unwrap().get(url).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };
    let ends = async |at: &str| {
        let scrape = Scrape::of(&metrics).await;
        let told = scrape.value("gatehouse_tls_certificate_end_timestamp_seconds", &[]);
        told == Some(
            at.parse::<jiff::Timestamp>()
                .unwrap()
                .as_duration()
                .as_secs_f64(),
        )
    };
    assert!(ask(&first).await);
    assert!(ends("2100-01-01T00:00:00Z").await);
    let second = write_pair(deployment.folder(), 2101);
    server.logged("new connections have the new TLS certificate");
    assert!(ask(&second).await && !ask(&first).await);
    assert!(ends("2101-01-01T00:00:00Z").await);
    std::fs::write(deployment.folder().join("tls.key"), "broken").unwrap();
    server.signal("-HUP");
    server.logged("the old one stays");
    assert!(ask(&second).await);
    assert!(ends("2101-01-01T00:00:00Z").await);
    let third = write_pair(deployment.folder(), 2102);
    server.signal("-HUP");
    server.logged("new connections have the new TLS certificate");
    assert!(ask(&third).await);
    // The command for containers asks the same listener, whatever its certificate says.
    let tls = [
        ("GATEHOUSE__SERVER__TLS_CERT", "tls.crt"),
        ("GATEHOUSE__SERVER__TLS_KEY", "tls.key"),
        ("GATEHOUSE__SERVER__LISTEN", listen.as_str()),
    ];
    assert!(deployment.run_with(&tls, &["health"]).status.success());
    server.signal("-TERM");
    server.ends();
    let gone = deployment.run_with(&tls, &["health"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("does not answer"));
}

// C218
#[tokio::test]
async fn a_start_names_each_insecure_option_and_refuses_what_is_not_forced() {
    let deployment = Deployment::new().await;
    let public = ["--public-url", "http://gate.example"];
    let refused = deployment.run(&["serve", public[0], public[1]]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("server.allow_insecure_http"), "{told}");
    let listen = free_address();
    let mut command = deployment.command(&["serve", "--listen", &listen, public[0], public[1]]);
    command
        .env("GATEHOUSE__SERVER__ALLOW_INSECURE_HTTP", "true")
        .env("GATEHOUSE__SERVER__ALLOW_ANY_HOST", "true");
    let server = Running::start(command);
    let lines = server.logged("serving on").join("\n");
    for name in ["server.allow_insecure_http", "server.allow_any_host"] {
        assert!(lines.contains(&format!("{name} is on")), "{lines}");
    }
    let url = format!("http://{listen}");
    let health = deployment.json(&["health", "--url", &url]);
    assert_eq!(health["ready"], true);
}

#[tokio::test]
async fn wrong_settings_end_with_a_code_of_their_own() {
    let deployment = Deployment::new().await;
    deployment.run(&["migrate"]);
    let other_key = "a1".repeat(16) + &"7c".repeat(16);
    std::fs::write(deployment.folder().join("broken.pem"), "broken").unwrap();
    let wrong: [&[(&str, &str)]; 7] = [
        &[("GATEHOUSE__SERVER__PUBLIC_URL", "http://gate.example")],
        &[("GATEHOUSE__SERVER__NO_SUCH_SETTING", "1")],
        &[("GATEHOUSE__SECRETS__KEY", "short")],
        &[("GATEHOUSE__SECRETS__KEY", &other_key)],
        &[
            ("GATEHOUSE__SECRETS__KEY", ""),
            ("GATEHOUSE__SECRETS__KEY_FILE", "none.key"),
        ],
        &[
            ("GATEHOUSE__SERVER__TLS_CERT", "none.pem"),
            ("GATEHOUSE__SERVER__TLS_KEY", "none.pem"),
        ],
        &[
            ("GATEHOUSE__SERVER__TLS_CERT", "broken.pem"),
            ("GATEHOUSE__SERVER__TLS_KEY", "broken.pem"),
        ],
    ];
    for settings in wrong {
        let listen = free_address();
        let output = deployment.run_with(settings, &["serve", "--listen", &listen]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{settings:?}: {told}");
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gatehouse.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(unit.contains("\nRestartPreventExitStatus=2 6\n"));
}

#[test]
fn the_units_are_as_systemd_reads_them() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folder = tempfile::tempdir().unwrap();
    for name in ["gatehouse.service", "gatehouse.socket"] {
        let text = std::fs::read_to_string(examples.join(name)).unwrap();
        // The program is looked for, and it is not installed here.
        let text = text.replace("/usr/local/bin/gatehouse", env!("CARGO_BIN_EXE_gatehouse"));
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .arg(folder.path().join("gatehouse.service"))
        .arg(folder.path().join("gatehouse.socket"))
        .output();
    // A machine without systemd cannot say.
    if let Ok(verify) = verify {
        let told = String::from_utf8_lossy(&verify.stderr).into_owned();
        assert!(
            verify.status.success() && !told.contains("/gatehouse."),
            "{told}"
        );
    }
}
