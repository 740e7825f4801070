//! Nobody rewrites history unseen.

use gatehouse::changes::receipts::{self, Receipt};
use gatehouse::changes::sequencer::{Bad, verify_chain};
use gatehouse::http::api;
use gatehouse::http::scim::ROUTES;
use gatehouse::store::verify::{CHECKS, count_faults};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::gateway::{Gateway, operations};

/// A gateway with a log of some length, all of it numbered.
async fn with_history() -> Gateway {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for at in 0..5 {
        let user = scim
            .created("/Users", &json!({"userName": format!("u{at}")}))
            .await;
        let title = json!([{"op": "replace", "path": "title", "value": "Lead"}]);
        let path = format!("/Users/{user}");
        scim.send("PATCH", &path, Some(&operations(title))).await;
    }
    gateway.work().await;
    gateway
}

impl Gateway {
    /// Does at the database what no route does.
    async fn tamper(&self, statements: &[&'static str]) {
        let statements = statements.to_vec();
        let done = self.app.write(move |tx| {
            let statements = statements.clone();
            Box::pin(async move {
                for sql in statements {
                    tx.query(AssertSqlSafe(sql)).execute().await?;
                }
                Ok(())
            })
        });
        done.await.expect("done");
    }

    async fn first_bad(&self) -> Option<Bad> {
        verify_chain(&self.app, self.workspace.id)
            .await
            .expect("walked")
    }

    async fn receipts(&self) -> Vec<Receipt> {
        let mut tx = self.app.db.one().await.expect("read");
        receipts::list(&mut tx).await.expect("listed")
    }
}

// C213
#[tokio::test]
async fn no_route_leads_to_the_log_but_to_read_it() {
    let is_about_log = |path: &str| {
        let path = path.to_lowercase();
        let words = ["change", "audit", "log", "history", "receipt", "chain"];
        words.iter().any(|word| path.contains(word))
    };
    for (path, _) in ROUTES {
        assert!(!is_about_log(path), "{path}");
    }
    let mut read = 0;
    for (path, methods) in api::ROUTES {
        if is_about_log(path) {
            let is_read = methods.iter().all(|(method, _)| *method == "GET");
            assert!(is_read, "{path}");
            read += 1;
        }
    }
    assert!(read > 0, "what was is shown");
}

// C213
#[tokio::test]
async fn the_first_record_that_was_tampered_with_is_named() {
    let check = async |statements: &[&'static str], number: i64| {
        let gateway = with_history().await;
        assert_eq!(gateway.first_bad().await, None);
        let number = number.min(gateway.receipts().await[0].number + 1);
        gateway.tamper(statements).await;
        let bad = gateway.first_bad().await;
        assert_eq!(bad.map(|bad| bad.number), Some(number), "{statements:?}");
    };
    check(&["UPDATE changes SET detail = '{}' WHERE number = 4"], 4).await;
    check(&["UPDATE changes SET actor = 'nobody' WHERE number = 5"], 5).await;
    check(
        &["UPDATE changes SET at = at - 86400000000 WHERE number = 6"],
        6,
    )
    .await;
    check(&["UPDATE changes SET sealed = NULL WHERE number = 7"], 7).await;
    check(&["DELETE FROM changes WHERE number = 8"], 8).await;
    check(
        &[
            "UPDATE changes SET number = 0 WHERE number = 4",
            "UPDATE changes SET number = 4 WHERE number = 5",
            "UPDATE changes SET number = 5 WHERE number = 0",
        ],
        4,
    )
    .await;
    check(&["DELETE FROM changes WHERE number > 9"], 10).await;
    check(&["DELETE FROM change_heads"], i64::MAX).await;
    check(
        &[
            "UPDATE change_heads SET number = 9, hash = (SELECT c.hash FROM changes c \
           WHERE c.workspace = change_heads.workspace AND c.number = 9)",
        ],
        10,
    )
    .await;
}

// C213
#[tokio::test]
async fn a_tail_that_was_cut_off_with_the_head_is_found_by_a_receipt() {
    let gateway = with_history().await;
    let kept = gateway.receipts().await;
    let [receipt] = kept.as_slice() else {
        panic!("one workspace: {kept:?}");
    };
    let text = receipt.to_string();
    assert_eq!(text.parse::<Receipt>().unwrap(), *receipt);
    gateway
        .tamper(&[
            "DELETE FROM changes WHERE number > 9",
            "UPDATE change_heads SET number = 9, hash = (SELECT c.hash FROM changes c \
             WHERE c.workspace = change_heads.workspace AND c.number = 9)",
        ])
        .await;
    // The log by itself looks whole.
    assert_eq!(gateway.first_bad().await, None);
    let mut tx = gateway.app.db.one().await.unwrap();
    for check in CHECKS.iter().filter(|check| check.promise == 7) {
        assert_eq!(count_faults(&mut tx, check).await.unwrap(), 0);
    }
    assert!(!receipts::holds(&mut tx, receipt).await.unwrap());
    let shorter = receipts::list(&mut tx).await.unwrap().remove(0);
    assert!(receipts::holds(&mut tx, &shorter).await.unwrap());
}
