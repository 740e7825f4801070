//! Admins who take each other's role away, on two nodes where the database bears them.

use gatehouse::workspace::keys::Permission;

use crate::bed::{Bed, knob};
use crate::client::{Answer, Client};

/// What a node answers to an act that it has done.
const DONE: [u16; 2] = [200, 204];

/// An admin with a key of their own.
struct Admin {
    id: String,
    key: String,
}

impl Admin {
    async fn new(bed: &Bed, client: &Client, operator: &Client, name: &str) -> Self {
        let address = format!("{name}@acme.example");
        let user = serde_json::json!({"userName": address, "emails": [{"value": address}]});
        client.created("/Users", &user).await;
        let listed = operator.manage("GET", "/members", None).await;
        let listed = listed.body["items"].as_array().expect("a list").clone();
        let member = listed.iter().find(|it| it["user_name"] == *address);
        let id = member.expect("listed")["id"].as_str().expect("an id");
        let mut admin = Self {
            id: id.to_owned(),
            key: String::new(),
        };
        admin.promote(operator).await;
        // Nobody takes a role away that allows more than the own key.
        let all = Permission::OF_WORKSPACE.map(Permission::name);
        admin.key = bed.key(Some((id, &all)));
        admin
    }

    fn role(&self) -> String {
        format!("/members/{}/roles/admin", self.id)
    }

    async fn promote(&self, operator: &Client) {
        let given = operator.manage("PUT", &self.role(), None).await;
        assert!(DONE.contains(&given.status), "{}", given.body);
    }

    /// Takes the role from another one, by the own key.
    async fn demotes(&self, node: &Client, other: &Self) -> Answer {
        let node = node.with_token(&self.key);
        node.manage("DELETE", &other.role(), None).await
    }
}

// C074
#[tokio::test(flavor = "multi_thread")]
async fn of_admins_who_demote_each_other_at_once_one_is_left() {
    let trials = knob("CRASH_TRIALS", 60);
    let bed = Bed::new().await;
    let (servers, nodes) = bed.nodes().await;
    let operator = nodes[0].with_token(&bed.key(None));
    let mut admins = Vec::new();
    for name in ["ada", "bob", "eve"] {
        admins.push(Admin::new(&bed, &nodes[0], &operator, name).await);
    }
    let left = "SELECT COUNT(DISTINCT g.member) FROM grants g JOIN roles r ON r.id = g.target \
                WHERE r.name_key = 'admin' AND g.to_at IS NULL";
    for trial in 0..trials {
        // Two, and every third time three in a ring.
        let ring = if trial % 3 == 2 { 3 } else { 2 };
        for admin in &admins[..ring] {
            admin.promote(&operator).await;
        }
        if ring == 2 && bed.count(left).await == 3 {
            let gone = operator.manage("DELETE", &admins[2].role(), None).await;
            assert!(DONE.contains(&gone.status), "{}", gone.body);
        }
        let act = |at: usize| admins[at].demotes(&nodes[at % 2], &admins[(at + 1) % ring]);
        let answers = if ring == 2 {
            let (one, other) = tokio::join!(act(0), act(1));
            vec![one, other]
        } else {
            let (one, two, three) = tokio::join!(act(0), act(1), act(2));
            vec![one, two, three]
        };
        let done = answers.iter().filter(|it| DONE.contains(&it.status));
        let done = done.count();
        for answer in &answers {
            // Refused by what is left of the other's rights, or as the last one.
            let expected = DONE.contains(&answer.status) || [403, 409].contains(&answer.status);
            assert!(expected, "{} {}", answer.status, answer.body);
        }
        assert!(
            if ring == 2 {
                done == 1
            } else {
                (1..=2).contains(&done)
            },
            "{answers:?}"
        );
        assert_eq!(
            bed.count(left).await,
            i64::try_from(ring - done).expect("it fits")
        );
    }
    bed.check().await;
    for server in servers {
        server.stop();
    }
}
