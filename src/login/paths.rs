//! Where a login may lead on to afterwards.

use url::Url;

/// The longest path that is gone on to.
const PATH: usize = 2_048;
/// Where a login may lead on to: these, and what is below those that end with `/`.
const LEADS_TO: [&str; 2] = ["/", "/me"];

/// Where a login leads on to: to a path of ours that it may lead to, be it named
/// with our own URL or without, or to the start.
pub(super) fn leads_to(base: &str, wanted: Option<&str>) -> String {
    let start = || "/".to_owned();
    let Some(wanted) = wanted.filter(|it| it.len() <= PATH) else {
        return start();
    };
    let own = wanted.strip_prefix(base.trim_end_matches('/'));
    let wanted = own.filter(|it| it.starts_with('/')).unwrap_or(wanted);
    // What a browser makes of it is decided on the parsed URL.
    let Ok(base) = Url::parse("https://gatehouse.invalid/") else {
        return start();
    };
    let is_plain = !wanted
        .chars()
        .any(|c| c.is_control() || c == '\\' || c == '%');
    match base.join(wanted) {
        Ok(url)
            if is_plain
                && wanted.starts_with('/')
                && url.origin() == base.origin()
                && url.username().is_empty()
                && url.password().is_none()
                && LEADS_TO.contains(&url.path()) =>
        {
            url.path().to_owned()
        }
        _ => start(),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::leads_to;

    const BASE: &str = "https://gate.example/";

    // C108
    #[test]
    fn a_login_leads_to_our_own_paths_alone() {
        assert_eq!(leads_to(BASE, None), "/");
        assert_eq!(leads_to(BASE, Some("/me")), "/me");
        let long = format!("/me?{}", "x".repeat(10_000));
        for wanted in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https://evil.example/me",
            "/%09/evil.example",
            "/\t/evil.example",
            "/%2f%2fevil.example",
            "javascript:alert(1)",
            "https://good@evil.example",
            "//gatehouse.invalid:1/me",
            "//a@gatehouse.invalid/me",
            "/me/../../x",
            "/link/ghl_x",
            "/sign-out",
            "me",
            &long,
        ] {
            assert_eq!(leads_to(BASE, Some(wanted)), "/", "{wanted}");
        }
        assert_eq!(leads_to(BASE, Some("/x/../me")), "/me");
        assert_eq!(leads_to(BASE, Some("https://gate.example/me")), "/me");
        let other = Some("https://gate.example.evil.example/me");
        assert_eq!(leads_to(BASE, other), "/");
    }

    proptest::proptest! {
        // C108
        #[test]
        fn whatever_is_said_a_browser_stays_here(
            wanted in "(https?:|javascript:|//|/|\\\\|gate|\\.|@|%2f|%09|\t|me|evil\\.example|[ -~]){0,8}",
        ) {
            let to = leads_to(BASE, Some(&wanted));
            let base = Url::parse(BASE).unwrap();
            let url = base.join(&to).unwrap();
            proptest::prop_assert_eq!(url.origin(), base.origin());
            proptest::prop_assert!(["/", "/me"].contains(&to.as_str()), "{}", to);
        }
    }
}
