//! Imports of members: what becomes of each row, and exports that an import reads.

use gatehouse::admission::import::{self, Format, Options};
use gatehouse::changes::Origin;
use gatehouse::store::members::Status;
use gatehouse::workspace::keys::{self, Permission};
use gatehouse::workspace::members::Source;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::keys::new_key;
use crate::members::{person, role};

/// What nobody can give who does not have it.
const BEYOND: &str = "this goes beyond what whoever asks may do, or over a member who may do more";

impl Gateway {
    /// Sends a table with a key; `query` begins with `?` or is empty.
    pub(crate) async fn import(&self, key: &str, query: &str, media: &str, text: &str) -> Answer {
        let path = format!("/api/v1/workspaces/acme/imports{query}");
        let bearer = format!("Bearer {key}");
        self.call_text("POST", &path, &[&bearer], media, Some(text.to_owned()))
            .await
    }

    async fn csv(&self, key: &str, query: &str, text: &str) -> Value {
        let answer = self
            .import(key, query, "text/csv; charset=utf-8", text)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    async fn importer(&self) -> String {
        self.key(&Permission::ALL[..9]).await
    }

    /// Changes and members: what a preview leaves alone.
    async fn written(&self) -> [i64; 4] {
        let mut counts = [0; 4];
        for (count, table) in counts
            .iter_mut()
            .zip(["changes", "members", "grants", "person_keys"])
        {
            *count = self.count(table).await;
        }
        counts
    }
}

/// The outcome of each row, in the order of the table.
fn outcomes(import: &Value) -> Vec<&str> {
    let rows = import["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| row["outcome"].as_str().expect("an outcome"))
        .collect()
}

/// The column that was wrong in each row, and what was wrong.
fn problem(import: &Value, row: usize) -> (&str, &str) {
    let row = &import["rows"][row - 1];
    (
        row["field"].as_str().unwrap_or_default(),
        row["problem"].as_str().unwrap_or_default(),
    )
}

const TABLE: &str = "\
email;First name;Display Name;User ID;roles;teams;phone;Language;line
new@acme.example;New;;N-1;user;Support;'+44 20 7946 0958;en-gb;numberless
pending@acme.example;Pen;;;user;Support;;;
ada@acme.example;Ada;Countess;;user;;;;
gone@acme.example;Gone;;;;;;;
bad@acme.example;Bad;;;;;12;;
odd@acme.example;Odd;;;;Nowhere;;;
NEW@acme.example;Twice;;;;;;;
";

#[tokio::test]
async fn each_row_comes_to_what_the_table_of_arrivals_says() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.importer().await;
    let team = json!({"name": "Support"});
    let made = gateway
        .api(&key, "POST", "/workspaces/acme/teams", Some(&team))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (_, ada) = person(&gateway, &scim, "ada").await;
    let pending = json!({"email": "pending@acme.example"});
    let pending = gateway.enter(pending, &[]).await.unwrap().member;
    let gone = json!({"email": "gone@acme.example", "given_name": "Former"});
    let gone = gateway.enter(gone, &[role("admin")]).await.unwrap().member;
    gateway.remove(gone).await.unwrap();
    let named = gateway.member("ada@acme.example").await.display_name;

    let before = gateway.written().await;
    let preview = gateway.csv(&key, "?preview=true", TABLE).await;
    assert_eq!(gateway.written().await, before, "a preview writes nothing");
    let expected = [
        "created", "merged", "merged", "left", "refused", "refused", "refused",
    ];
    assert_eq!(outcomes(&preview), expected, "{preview}");
    assert_eq!(preview["preview"], true);

    let done = gateway.csv(&key, "", TABLE).await;
    assert_eq!(outcomes(&done), expected, "{done}");
    assert_eq!(done["outcomes"]["refused"], 3);
    assert_eq!(problem(&done, 5).0, "phone");
    assert_eq!(problem(&done, 6), ("teams", "unknown team: Nowhere"));
    assert_eq!(problem(&done, 7), ("email", "row 1 is the same"));
    let new = gateway.member("new@acme.example").await;
    assert_eq!((new.status, new.source), (Status::Draft, Source::Import));
    let details = gateway.details(new.id).await;
    assert_eq!(details.phone.as_deref(), Some("+442079460958"));
    assert_eq!(details.user_id.as_deref(), Some("N-1"));
    assert_eq!(details.language.as_deref(), Some("en-GB"));
    assert_eq!(done["rows"][0]["member"], json!(new.id));
    assert_eq!(done["rows"][1]["member"], json!(pending));
    // What the directory keeps stays as it is, and the row says so; the rest is written.
    assert_eq!(done["rows"][2]["kept"], json!(["displayName"]));
    let now = gateway.member("ada@acme.example").await;
    assert_eq!((now.display_name, now.id), (named, ada));
    assert_eq!(now.given_name.as_deref(), Some("Ada"));
    assert_eq!(now.status, Status::Active);
    let roles = gateway.listed(ada).await.roles;
    assert!(roles.contains("user"), "{roles:?}");
    // Nothing of a row that was refused is left.
    for refused in ["bad@acme.example", "odd@acme.example"] {
        let found =
            gatehouse::workspace::members::find(&gateway.app, gateway.workspace.id, refused);
        assert!(found.await.is_err(), "{refused}");
    }

    let again = gateway.csv(&key, "", TABLE).await;
    assert_eq!(
        outcomes(&again)[..4],
        ["unchanged", "unchanged", "unchanged", "left"]
    );
    let back = gateway.csv(&key, "?revive=true", TABLE).await;
    assert_eq!(outcomes(&back)[3], "revived");
    assert_eq!(gateway.member("gone@acme.example").await.id, gone);
    let explained = format!("/workspaces/acme/members/{}/explanation", new.id);
    let explained = gateway.api(&key, "GET", &explained, None).await;
    assert_eq!(
        explained.body["grants"][0]["cause"], "import",
        "{}",
        explained.text
    );
    gateway.check().await;
}

#[tokio::test]
async fn managers_stand_in_any_order_and_never_in_a_circle() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.importer().await;
    let (_, boss) = person(&gateway, &scim, "boss").await;
    let table = "userId,manager,email\n\
                 a,B,\n\
                 b,c@acme.example,\n\
                 c,boss@acme.example,c@acme.example\n\
                 d,e,\n\
                 e,d,\n\
                 f,d,\n\
                 g,g,\n\
                 h,nobody@acme.example,\n";
    for query in ["?preview=true", ""] {
        let done = gateway.csv(&key, query, table).await;
        let expected = [
            "created", "created", "created", "refused", "refused", "refused", "refused", "refused",
        ];
        assert_eq!(outcomes(&done), expected, "{done}");
        for row in 4..=8 {
            assert_eq!(problem(&done, row).0, "manager", "{done}");
        }
    }
    let c = gateway.member("c@acme.example").await.id;
    assert_eq!(gateway.details(c).await.manager, Some(boss));
    // A circle through somebody who is no row.
    let loops = "email,manager\nboss@acme.example,c@acme.example\n";
    for query in ["?preview=true", ""] {
        let done = gateway.csv(&key, query, loops).await;
        assert_eq!(problem(&done, 1).0, "manager", "{done}");
    }
    let again = gateway.csv(&key, "", table).await;
    assert_eq!(outcomes(&again)[..3], ["unchanged"; 3]);
    gateway.check().await;
}

// C083: no import gives or writes what whoever asks for it could not
#[tokio::test]
async fn an_import_gives_no_right_beyond_the_key() {
    let gateway = Gateway::new().await;
    let helper = gateway.key(&[Permission::MembersManage]).await;
    let admin = json!({"email": "admin@acme.example"});
    let admin = gateway.enter(admin, &[role("admin")]).await.unwrap().member;
    let table = "email,role,permission,phone\n\
                 eve@acme.example,admin,,\n\
                 bob@acme.example,,data.export,\n\
                 admin@acme.example,,,+442079460958\n\
                 ann@acme.example,user,members.manage,\n\
                 joe@acme.example,,chats.burn,\n";
    let done = gateway.csv(&helper, "", table).await;
    let expected = ["refused", "refused", "refused", "created", "refused"];
    assert_eq!(outcomes(&done), expected, "{done}");
    assert_eq!(problem(&done, 1), ("roles", BEYOND));
    assert_eq!(problem(&done, 2), ("permissions", BEYOND));
    assert_eq!(problem(&done, 5).0, "permissions");
    assert_eq!(gateway.details(admin).await.phone, None);
    assert_eq!(gateway.count("members").await, 2, "nothing is half done");
    let reader = gateway.key(&[Permission::MembersRead]).await;
    let refused = gateway.import(&reader, "", "text/csv", "email\na@b.example\n");
    assert_eq!(refused.await.status, 403);
    gateway.check().await;
}

#[tokio::test]
async fn a_long_import_goes_on_by_itself_and_stops_with_its_key() {
    let gateway = Gateway::new().await;
    let (id, key) = gateway
        .key_of(
            Some(&gateway.workspace),
            new_key(&[Permission::MembersManage]),
        )
        .await;
    let reader = gateway.importer().await;
    // Each reports to the next one, so that the last row has its turn first.
    let lines = (0..250).map(|at| format!("p{at}@acme.example,p{}@acme.example\n", at + 1));
    let table = format!(
        "email,manager\n{}p250@acme.example,\n",
        lines.collect::<String>()
    );
    let preview = gateway
        .import(&key, "?preview=true", "text/csv", &table)
        .await;
    assert_eq!((preview.status, &preview.body["rows"]), (202, &Value::Null));
    gateway.work().await;
    let shown = |answer: &Answer| answer.header("location")["/api/v1".len()..].to_owned();
    let previewed = gateway.api(&reader, "GET", &shown(&preview), None).await;
    assert_eq!(previewed.body["outcomes"], json!({"created": 251}));
    assert_eq!(gateway.count("members").await, 0);

    let started = gateway.import(&key, "", "text/csv", &table).await;
    assert_eq!(started.status, 202, "{}", started.text);
    let path = shown(&started);
    let batch = import::step(&gateway.app).await.unwrap();
    let now = gateway.api(&reader, "GET", &path, None).await;
    assert_eq!(now.body["processed"], json!(batch), "{}", now.text);
    assert_eq!(now.body["finished_at"], Value::Null);
    let workspace = Some(gateway.workspace.id);
    keys::revoke(&gateway.app, &Origin::cli(), workspace, id)
        .await
        .unwrap();
    gateway.work().await;
    let done = gateway.api(&reader, "GET", &path, None).await;
    let refused = 251 - batch;
    assert_eq!(
        done.body["outcomes"],
        json!({"created": batch, "refused": refused})
    );
    assert!(done.body["finished_at"].is_string(), "{}", done.text);

    let again = gateway.import(&reader, "", "text/csv", &table).await;
    gateway.work().await;
    let path = shown(&again);
    let done = gateway.api(&reader, "GET", &path, None).await;
    assert_eq!(
        done.body["outcomes"],
        json!({"created": refused, "unchanged": batch})
    );
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{path}/rows?limit=100{cursor}");
        let page = gateway.api(&reader, "GET", &page, None).await;
        assert_eq!(page.status, 200, "{}", page.text);
        rows.extend(page.body["items"].as_array().unwrap().clone());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let numbers: Vec<_> = rows
        .iter()
        .map(|row| row["row"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=251).collect::<Vec<_>>());
    let first = gateway.member("p0@acme.example").await.id;
    let above = gateway.member("p1@acme.example").await.id;
    assert_eq!(gateway.details(first).await.manager, Some(above));
    // What the rows said is kept no longer than it is needed.
    let inputs = "import_rows WHERE input IS NOT NULL";
    assert_eq!(gateway.count(inputs).await, 0);
    let listed = "/workspaces/acme/imports";
    let listed = gateway.api(&reader, "GET", listed, None).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 3);
    gateway.check().await;
}

#[tokio::test]
async fn what_is_no_table_is_refused_as_a_whole() {
    let gateway = Gateway::with(|config| config.limits.body_group_bytes = 20_000).await;
    let key = gateway.importer().await;
    for (media, query, text, status, says) in [
        ("text/plain", "", "email\na@b.example", 415, "text/csv"),
        (
            "text/csv; charset=latin1",
            "",
            "email\na@b.example",
            415,
            "UTF-8",
        ),
        (
            "text/csv",
            "?preview=yes",
            "email\na@b.example",
            400,
            "preview",
        ),
        ("text/csv", "?dry=true", "email\na@b.example", 400, "dry"),
        ("text/csv", "", "email,shoe\na@b.example,9", 400, "shoe"),
        ("text/csv", "", "email\n", 400, "no rows"),
        ("application/json", "", "{}", 400, "members"),
        ("application/json", "", "[{\"email\": 1}, 2]", 400, "object"),
        ("text/csv", "", &"email\n".repeat(5_000), 413, "20000 bytes"),
    ] {
        let refused = gateway.import(&key, query, media, text).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    let latin = b"email,name\nj@b.example,J\xe4n\n";
    let by = (
        &Origin::cli(),
        &gatehouse::workspace::keys::Scopes::everything(),
    );
    let table = (&latin[..], Format::Csv);
    let id = gateway.workspace.id;
    let refused = import::start(&gateway.app, by, id, table, Options::default()).await;
    assert!(refused.unwrap_err().to_string().contains("UTF-8"));
    assert_eq!(gateway.count("imports").await, 0);
    let nowhere = "/workspaces/acme/imports/019aa000-0000-7000-8000-000000000001/rows";
    assert_eq!(gateway.api(&key, "GET", nowhere, None).await.status, 404);
}

#[tokio::test]
async fn two_imports_of_one_table_at_once_bring_in_each_once() {
    let gateway = Gateway::new().await;
    let key = gateway.importer().await;
    let lines = (0..40).map(|at| format!("P-{at},p{at}@acme.example\n"));
    let table = format!("userId,email\n{}", lines.collect::<String>());
    let (one, other) = tokio::join!(gateway.csv(&key, "", &table), gateway.csv(&key, "", &table));
    let created = |import: &Value| import["outcomes"]["created"].as_i64().unwrap_or(0);
    assert_eq!(created(&one) + created(&other), 40, "{one} {other}");
    assert_eq!(gateway.count("members").await, 40);
    gateway.check().await;
}

#[tokio::test]
async fn a_row_means_the_member_whom_a_directory_knows_by_another_address_too() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let body = json!({"userName": "ada@acme.example",
        "emails": [{"value": "ada@acme.example", "primary": true}, {"value": "al@acme.example"}]});
    scim.created("/Users", &body).await;
    let ada = gateway.member("ada@acme.example").await;
    let key = gateway.importer().await;
    let done = gateway
        .csv(&key, "", "email,user id\nal@acme.example,A1\n")
        .await;
    assert_eq!(outcomes(&done), ["merged"], "{done}");
    assert_eq!(done["rows"][0]["member"], json!(ada.id));
    assert_eq!(gateway.count("members").await, 1);
    gateway.check().await;
}

#[tokio::test]
async fn a_row_says_of_itself_whether_one_who_left_comes_back_and_brings_a_picture() {
    let gateway = Gateway::new().await;
    let key = gateway.importer().await;
    let mut gone = Vec::new();
    for name in ["a", "b", "c"] {
        let fields = json!({"email": format!("{name}@acme.example")});
        let member = gateway.enter(fields, &[]).await.unwrap().member;
        gateway.remove(member).await.unwrap();
        gone.push(member);
    }
    let table = "email,revive,picture\n\
                 a@acme.example,Yes,https://acme.example/a.png\n\
                 b@acme.example,no,\n\
                 c@acme.example,,\n\
                 d@acme.example,maybe,\n\
                 e@acme.example,,http://acme.example/e.png\n";
    let preview = gateway.csv(&key, "?preview=true", table).await;
    let expected = ["revived", "left", "left", "refused", "refused"];
    assert_eq!(outcomes(&preview), expected, "{preview}");
    let done = gateway.csv(&key, "", table).await;
    assert_eq!(outcomes(&done), expected, "{done}");
    assert_eq!(problem(&done, 4), ("revive", "expected yes or no"));
    assert_eq!(problem(&done, 5).0, "picture");
    assert_eq!(gateway.member("a@acme.example").await.id, gone[0]);
    let picture = gateway.details(gone[0]).await.picture;
    assert_eq!(picture.as_deref(), Some("https://acme.example/a.png"));
    let rows = json!([
        {"email": "b@acme.example", "revive": false},
        {"email": "c@acme.example", "revive": null},
    ]);
    let all = gateway
        .import(&key, "?revive=true", "application/json", &rows.to_string())
        .await;
    assert_eq!(outcomes(&all.body), ["left", "revived"], "{}", all.text);
    let again = gateway.csv(
        &key,
        "",
        "email,picture\na@acme.example,https://acme.example/a.png\n",
    );
    assert_eq!(outcomes(&again.await), ["unchanged"]);
    gateway.check().await;
}
