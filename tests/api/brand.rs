//! Pages look as the operator says.

use crate::gateway::Gateway;
use crate::visitors::Browser;

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"8\" height=\"8\"/>";

#[tokio::test]
async fn pages_have_the_name_and_logo_of_the_deployment() {
    let plain = Gateway::new().await;
    let mut browser = Browser::default();
    let start = browser.get(&plain, "/").await;
    assert!(start.text.contains("· Gatehouse</title>"), "{}", start.text);
    assert!(!start.text.contains("/assets/logo"), "{}", start.text);
    assert_eq!(browser.get(&plain, "/assets/logo").await.status, 404);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.svg");
    std::fs::write(&file, LOGO).unwrap();
    let ours = Gateway::with(|config| {
        "Ours & <Theirs>".clone_into(&mut config.brand.name);
        config.brand.logo = Some(file);
    });
    let ours = ours.await;
    // Pages, what is refused before one is reached, and what is not there.
    for path in ["/", "/me", "/w/nobody/sign-in", "/me/nothing"] {
        let page = browser.get(&ours, path).await;
        let named = "· Ours &#38; &#60;Theirs&#62;</title>";
        assert!(page.text.contains(named), "{path}: {}", page.text);
        assert!(page.text.contains("src=\"/assets/logo\""), "{path}");
        assert!(!page.text.contains("Gatehouse"), "{path}: {}", page.text);
    }
    let logo = browser.get(&ours, "/assets/logo").await;
    assert_eq!((logo.status, logo.text.as_str()), (200, LOGO));
    assert_eq!(logo.header("content-type"), "image/svg+xml");
    let policy = logo.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
}
