//! The texts of pages, in the language that the browser asks for.

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_langneg::{NegotiationStrategy, accepted_languages, negotiate_languages};
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, static_loader};

use crate::config::Brand;

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
    };
}

/// The texts in one language, and the name and logo beside them.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    language: LanguageIdentifier,
    brand: String,
    has_logo: bool,
}

impl Texts {
    /// In the first language of an `Accept-Language` header that there is.
    pub(super) fn asked_for(header: &str, brand: &Brand) -> Self {
        let there: Vec<_> = LOCALES.locales().cloned().collect();
        let asked = accepted_languages::parse(header);
        let english = LOCALES.fallback().clone();
        let strategy = NegotiationStrategy::Lookup;
        let found = negotiate_languages(&asked, &there, Some(&english), strategy);
        Self {
            language: found.first().map_or(english.clone(), |it| (*it).clone()),
            brand: brand.name.clone(),
            has_logo: brand.logo.is_some(),
        }
    }

    /// What this deployment is called.
    pub(super) fn brand(&self) -> &str {
        &self.brand
    }

    /// Whether it has a logo.
    pub(super) fn has_logo(&self) -> bool {
        self.has_logo
    }

    /// The language, as HTML names it.
    pub(super) fn lang(&self) -> String {
        self.language.to_string()
    }

    /// A text.
    pub(super) fn of(&self, key: &str) -> String {
        LOCALES.lookup(&self.language, key)
    }

    /// A text with one value in it.
    pub(super) fn with(&self, key: &str, name: &'static str, value: &str) -> String {
        let values: HashMap<Cow<'static, str>, FluentValue<'_>> =
            HashMap::from([(Cow::Borrowed(name), FluentValue::from(value))]);
        LOCALES.lookup_with_args(&self.language, key, &values)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(text: &str) -> BTreeSet<&str> {
        let keys = text.lines().filter_map(|line| line.split_once(" ="));
        keys.map(|(key, _)| key)
            .filter(|key| !key.starts_with(['#', ' ']))
            .collect()
    }

    #[test]
    fn every_language_has_every_text() {
        let english = keys(include_str!("../../../locales/en/pages.ftl"));
        let german = keys(include_str!("../../../locales/de/pages.ftl"));
        assert!(english.len() > 20);
        assert_eq!(english, german);
        // What texts have in them: one that names anything else is none.
        let names = ["name", "workspace", "member"];
        let values: HashMap<Cow<'static, str>, FluentValue<'_>> = names
            .into_iter()
            .map(|name| (Cow::Borrowed(name), FluentValue::from("x")))
            .collect();
        for key in english {
            for header in ["en", "de"] {
                let language = Texts::asked_for(header, &Brand::default()).language;
                let text = LOCALES.lookup_with_args(&language, key, &values);
                assert!(!text.contains("Unknown localization"), "{header} {key}");
            }
        }
    }

    #[test]
    fn a_language_is_the_first_one_asked_for_that_there_is() {
        for (header, lang) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT, en;q=0.5", "de"),
            ("fr-FR, de;q=0.8, en;q=0.2", "de"),
            ("fr", "en"),
            ("%%%, \u{0}", "en"),
        ] {
            assert_eq!(
                Texts::asked_for(header, &Brand::default()).lang(),
                lang,
                "{header}"
            );
        }
    }
}
