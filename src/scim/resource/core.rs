//! The few attributes that the rest of the program knows by name.

use serde_json::{Map, Value};

use crate::scim::schema::ENTERPRISE_USER;

/// What the program reads from a user's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCore<'a> {
    /// Login name, as sent.
    pub user_name: &'a str,
    /// Id at the sender.
    pub external_id: Option<&'a str>,
    /// Name to show.
    pub display_name: Option<&'a str>,
    /// Whether the user is active; so is one whose document is silent.
    pub active: bool,
    /// `name.givenName`.
    pub given_name: Option<&'a str>,
    /// `name.familyName`.
    pub family_name: Option<&'a str>,
    /// `name.formatted`.
    pub formatted: Option<&'a str>,
    /// The e-mail addresses, as sent.
    pub emails: Vec<EmailRef<'a>>,
    /// The number to call, chosen as the address to write to is.
    pub phone: Option<&'a str>,
    /// Preferred language.
    pub preferred_language: Option<&'a str>,
    /// Time zone.
    pub time_zone: Option<&'a str>,
    /// Id of the manager, as sent; may name nobody.
    pub manager: Option<&'a str>,
}

/// One e-mail address of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailRef<'a> {
    /// The address.
    pub value: &'a str,
    /// `work`, `home` or another label.
    pub kind: Option<&'a str>,
    /// Whether it is marked as the preferred one.
    pub primary: bool,
}

/// What the program reads from a group's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCore<'a> {
    /// Name of the group, as sent.
    pub display_name: &'a str,
    /// Id at the sender.
    pub external_id: Option<&'a str>,
}

impl<'a> UserCore<'a> {
    /// The address to write to: the primary one, else that of work, else the first, else a
    /// `userName` that looks like an address.
    #[must_use]
    pub fn primary_email(&self) -> Option<&'a str> {
        let is_work = |email: &&EmailRef<'_>| {
            email
                .kind
                .is_some_and(|kind| kind.eq_ignore_ascii_case("work"))
        };
        let chosen = self.emails.iter().find(|email| email.primary);
        let chosen = chosen.or_else(|| self.emails.iter().find(is_work));
        let chosen = chosen
            .or_else(|| self.emails.first())
            .map(|email| email.value);
        chosen.or_else(|| looks_like_address(self.user_name).then_some(self.user_name))
    }

    /// The name to show: `displayName`, else what `name` gives, else the login name.
    #[must_use]
    pub fn shown_name(&self) -> String {
        if let Some(name) = self.display_name.or(self.formatted) {
            return name.to_owned();
        }
        match (self.given_name, self.family_name) {
            (Some(given), Some(family)) => format!("{given} {family}"),
            (Some(name), None) | (None, Some(name)) => name.to_owned(),
            (None, None) => self.user_name.to_owned(),
        }
    }
}

/// Reads the core of a user's document.
pub fn user_core(document: &Map<String, Value>) -> UserCore<'_> {
    let name = document.get("name").and_then(Value::as_object);
    let part = |part| name.and_then(|name| text(name, part));
    let enterprise = document.get(ENTERPRISE_USER);
    let manager = enterprise.and_then(|extension| extension.get("manager"));
    let emails = document.get("emails").and_then(Value::as_array);
    UserCore {
        user_name: text(document, "userName").unwrap_or_default(),
        external_id: text(document, "externalId"),
        display_name: text(document, "displayName"),
        active: document
            .get("active")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        given_name: part("givenName"),
        family_name: part("familyName"),
        formatted: part("formatted"),
        emails: emails.into_iter().flatten().filter_map(email).collect(),
        phone: phone(document),
        preferred_language: text(document, "preferredLanguage"),
        time_zone: text(document, "timezone"),
        manager: manager
            .and_then(|manager| manager.get("value"))
            .and_then(Value::as_str),
    }
}

/// Reads the core of a group's document.
#[must_use]
pub fn group_core(document: &Map<String, Value>) -> GroupCore<'_> {
    GroupCore {
        display_name: text(document, "displayName").unwrap_or_default(),
        external_id: text(document, "externalId"),
    }
}

fn phone(document: &Map<String, Value>) -> Option<&str> {
    let entries = document.get("phoneNumbers")?.as_array()?;
    let entries: Vec<_> = entries.iter().filter_map(email).collect();
    let is_work =
        |entry: &&EmailRef<'_>| entry.kind.is_some_and(|it| it.eq_ignore_ascii_case("work"));
    let chosen = entries.iter().find(|entry| entry.primary);
    let chosen = chosen.or_else(|| entries.iter().find(is_work));
    chosen.or_else(|| entries.first()).map(|entry| entry.value)
}

/// An entry that has a value, be it of an address or a number.
fn email(entry: &Value) -> Option<EmailRef<'_>> {
    Some(EmailRef {
        value: entry.get("value")?.as_str()?,
        kind: entry.get("type").and_then(Value::as_str),
        primary: entry.get("primary") == Some(&Value::Bool(true)),
    })
}

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

fn looks_like_address(text: &str) -> bool {
    let has_blank = text.contains(char::is_whitespace);
    let parts = text.split_once('@');
    !has_blank
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        })
}
