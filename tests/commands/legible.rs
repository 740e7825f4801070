//! What people and programs send, shown to whoever operates the server: in its log and by the commands.

use std::fs;

use serde_json::{Value, json};

use crate::with_directory;

/// Ends a line, begins another that looks true, colours it and turns it round.
const FORGED: &str = "Ada\n2026-01-01T00:00:00.000000Z  INFO gatehouse: all is well\r\u{1b}[31m\u{202e}{\"level\":\"INFO\"}";

// C210
#[tokio::test]
async fn nothing_that_is_sent_forges_a_line_or_steers_a_terminal() {
    for format in ["text", "json"] {
        let (deployment, directory) = with_directory("generic").await;
        let token = directory["token"].as_str().expect("a token");
        let variables = [
            ("GATEHOUSE__LOG__FILTER", "debug"),
            ("GATEHOUSE__LOG__FORMAT", format),
        ];
        let server = deployment.serve_with(&variables).await;
        let users = format!("{}/scim/v2/Users", server.url);
        let user =
            json!({"userName": "ada", "displayName": FORGED, "title": FORGED, FORGED: FORGED});
        let (status, made) = server.send("POST", &users, token, Some(&user)).await;
        assert_eq!(status, 201, "{made}");
        let bad = [FORGED.to_owned(), FORGED.repeat(1_000)];
        let bad = bad.map(|name| json!({"userName": name}));
        for user in bad {
            let (status, answer) = server.send("POST", &users, token, Some(&user)).await;
            assert_eq!(status, 400, "{answer}");
        }
        let escaped = "%0a%0dINFO%20all%20is%20well%1b%5b31m";
        let path = format!("{users}/{escaped}?filter={escaped}");
        assert_eq!(server.send("GET", &path, token, None).await.0, 404);
        let path = format!("{}/{escaped}", server.url);
        assert_eq!(server.send("GET", &path, FORGED_TOKEN, None).await.0, 404);
        let path = format!("{users}?filter={escaped}");
        assert_eq!(server.send("GET", &path, token, None).await.0, 400);

        let mut files = fs::read_dir(deployment.folder()).expect("the folder");
        let log = files.find_map(|file| {
            let path = file.expect("a file").path();
            (path.extension()? == "log").then(|| fs::read_to_string(path).expect("the log"))
        });
        let log = log.expect("a log");
        assert!(log.lines().count() > 6, "{log}");
        for line in log.lines() {
            assert!(line.len() < 4_096, "{line}");
            assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
            let time = match format {
                "json" => {
                    let line: Value = serde_json::from_str(line).expect("JSON");
                    line["timestamp"].as_str().expect("a time").to_owned()
                }
                _ => line.split(' ').next().unwrap_or_default().to_owned(),
            };
            let time: jiff::Timestamp = time.parse().expect("a time");
            assert!(
                time > "2026-06-01T00:00:00Z".parse().expect("a time"),
                "{line}"
            );
        }

        for arguments in [
            &["members", "list", "--workspace", "acme"][..],
            &["explain", "--workspace", "acme", "--member", "ada"],
            &["members", "show", "--workspace", "acme", "--member", "ada"],
            &["members", "list", "--workspace", FORGED],
        ] {
            let told = deployment.run(arguments);
            let text = [told.stdout, told.stderr].concat();
            let text = String::from_utf8(text).expect("text");
            let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.is_empty() && !text.contains(steers), "{text:?}");
        }
        server.stop();
    }
}

/// What a header can hold of it.
const FORGED_TOKEN: &str = "{\"level\":\"INFO\"}";
