//! `gatehouse members import` and `export-all`, and a workspace as a document: `plan`, `apply`,
//! `export`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::with_directory;

fn text(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() != Some(101), "{error}");
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

fn import(deployment: &Deployment, file: &str, more: &[&str]) -> (i32, Value) {
    let arguments = ["members", "import", file, "--workspace", "acme", "--json"];
    let output = deployment.run(&[&arguments, more].concat());
    let code = output.status.code().unwrap();
    let told = serde_json::from_slice(&output.stdout);
    (code, told.unwrap_or_else(|_| panic!("{}", text(&output))))
}

#[tokio::test]
async fn a_table_is_previewed_imported_and_exported() {
    let (deployment, _) = with_directory("generic").await;
    let write = |name: &str, text: &str| fs::write(deployment.folder().join(name), text).unwrap();
    let lines: Vec<_> = (0..220)
        .map(|at| format!("p{at}@acme.example;P {at}\n"))
        .collect();
    write("good.csv", &format!("email;first name\n{}", lines.concat()));
    write(
        "bad.json",
        r#"[{"email": "ada"}, {"email": "eve@acme.example"}]"#,
    );
    let (code, told) = import(&deployment, "good.csv", &["--preview"]);
    assert_eq!((code, &told["outcomes"]), (0, &json!({"created": 220})));
    let (code, told) = import(&deployment, "good.csv", &[]);
    assert_eq!((code, &told["outcomes"]), (0, &json!({"created": 220})));
    assert_eq!(told["rows"].as_array().unwrap().len(), 220);
    let (code, told) = import(&deployment, "bad.json", &[]);
    assert_eq!(code, 7, "a row was refused");
    assert_eq!(told["outcomes"], json!({"created": 1, "refused": 1}));
    let people = ["members", "import", "bad.json", "--workspace", "acme"];
    let shown = text(&deployment.run(&people));
    assert!(shown.contains("2 rows: 1 unchanged, 1 refused"), "{shown}");
    assert!(shown.contains("email must be an address"), "{shown}");
    let missing = ["members", "import", "none.csv", "--workspace", "acme"];
    assert_eq!(deployment.run(&missing).status.code(), Some(1));

    let export = ["members", "export-all", "--workspace", "acme"];
    let output = deployment.run(&[&export[..], &["--output", "all.csv"]].concat());
    assert!(output.status.success(), "{}", text(&output));
    let told = text(&output);
    assert!(
        told.contains("221 members are written to all.csv"),
        "{told}"
    );
    let (code, told) = import(&deployment, "all.csv", &[]);
    assert_eq!((code, &told["outcomes"]), (0, &json!({"unchanged": 221})));
    let again = deployment.run(&[&export[..], &["--output", "all.csv"]].concat());
    assert_eq!(again.status.code(), Some(1), "no file is written over");
    let output = deployment.run(&[&export[..], &["--format", "json"]].concat());
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all["members"].as_array().unwrap().len(), 221);
    assert!(deployment.run(&["verify"]).status.success());
}

#[tokio::test]
async fn a_workspace_is_planned_applied_and_exported_as_a_document() {
    let (deployment, _) = with_directory("okta").await;
    let write = |name: &str, text: &str| fs::write(deployment.folder().join(name), text).unwrap();
    let export = deployment.run(&["export", "--workspace", "acme"]);
    let exported = text(&export);
    write("acme.toml", &exported);
    let same = text(&deployment.run(&["plan", "-f", "acme.toml", "--prune"]));
    assert!(
        same.starts_with("0 to add, 0 to change, 0 to end; plan "),
        "{same}"
    );

    let wanted = "workspace = \"acme\"\n\n[[teams]]\nname = \"Support\"\n\n\
                  [[roles]]\nname = \"Lead\"\npermissions = [\"members.read\"]\n";
    write("wanted.toml", wanted);
    let plan = deployment.json(&["plan", "--file", "wanted.toml"]);
    let hash = plan["hash"].as_str().unwrap();
    let stale = deployment.run(&["apply", "-f", "acme.toml", "--plan", hash]);
    assert_eq!(stale.status.code(), Some(4), "{}", text(&stale));
    let done = text(&deployment.run(&["apply", "-f", "wanted.toml", "--plan", hash]));
    assert!(
        done.contains("+ team \"Support\"") && done.contains("done"),
        "{done}"
    );
    let again = text(&deployment.run(&["apply", "-f", "wanted.toml"]));
    assert_eq!(again, "nothing to do\n");
    let roles = deployment.json(&["role", "list", "--workspace", "acme"]);
    assert!(roles.to_string().contains("Lead"), "{roles}");

    write("wrong.toml", "[[teams]]\nname = \"A\"\ncolour = \"red\"\n");
    for (arguments, code, says) in [
        (
            &["plan", "-f", "wrong.toml", "--workspace", "acme"][..],
            1,
            "colour",
        ),
        (
            &["plan", "-f", "none.toml", "--workspace", "acme"],
            1,
            "none.toml",
        ),
        (
            &["plan", "-f", "wanted.toml", "--workspace", "other"],
            3,
            "workspace",
        ),
    ] {
        let output = deployment.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(says), "{}", text(&output));
    }
}
