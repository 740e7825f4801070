//! Media types of bodies.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

/// Whether a body is a table, in UTF-8.
pub(super) fn is_csv(headers: &HeaderMap) -> bool {
    is_json(headers, &["text/csv"])
}

/// Whether a body is one of these media types, in UTF-8; other parameters are fine.
pub(super) fn is_json(headers: &HeaderMap, types: &[&str]) -> bool {
    let Some(given) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media_type = given.split(';').next().unwrap_or_default().trim();
    let charset_fits = given
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            charset
                .trim()
                .trim_matches('"')
                .eq_ignore_ascii_case("utf-8")
        });
    charset_fits
        && types
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known))
}
