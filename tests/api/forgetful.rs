//! Settings of a database by which it may forget what it acknowledged are seen.

use gatehouse::store::db::{Db, Options};

use crate::gateway::Gateway;

#[tokio::test]
async fn a_server_that_forgets_is_told_of_and_a_file_that_does_not_is_not() {
    let gateway = Gateway::new().await;
    let mut options = Options::from(&gateway.app.config.database);
    let is_server = gateway.app.db.is_shared();
    for (value, is_told) in [("off", is_server), ("on", false)] {
        if is_server {
            let url = &gateway.app.config.database.url;
            options.url = format!("{url}&options=-c%20synchronous_commit%3D{value}");
        }
        let db = Db::attach(&options).await.unwrap();
        let told = db.forgetful_settings().await.unwrap();
        let is_named = told.iter().any(|name| name == "synchronous_commit");
        assert_eq!(is_named, is_told, "{value}: {told:?}");
        assert!(is_server || told.is_empty(), "{told:?}");
        db.close().await;
    }
}
