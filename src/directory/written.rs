//! What of a User's document is kept in columns, to be found by, and shown by the member.

use serde_json::{Map, Value};

use crate::admission::arrival::Newcomer;
use crate::admission::followed::Said;
use crate::error::Result;
use crate::scim::{fold, resource};
use crate::store::members::Profile;

/// What of a document is kept in columns and shown by the member.
pub(super) struct Written {
    pub(super) user_name: String,
    pub(super) user_name_key: String,
    pub(super) external_id: Option<String>,
    pub(super) display: Option<String>,
    pub(super) display_key: Option<String>,
    pub(super) active: bool,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_keys: Vec<String>,
    pub(super) said: Said,
}

impl Written {
    pub(super) fn of(document: &Map<String, Value>) -> Result<Self> {
        let core = resource::user_core(document);
        let user_name = core.user_name.to_owned();
        fold::check_name(&user_name, "userName")?;
        let mut email_keys: Vec<String> = core
            .emails
            .iter()
            .map(|email| fold::key(email.value))
            .collect();
        email_keys.sort_unstable();
        email_keys.dedup();
        let user_name_key = fold::key(&user_name);
        let display_key = core.display_name.map(fold::key);
        fold::check_key(&user_name_key, "userName")?;
        fold::check_key(display_key.as_deref().unwrap_or_default(), "displayName")?;
        fold::check_key(core.external_id.unwrap_or_default(), "externalId")?;
        for key in &email_keys {
            fold::check_key(key, "emails")?;
        }
        Ok(Self {
            user_name_key,
            external_id: core.external_id.map(str::to_owned),
            display_key,
            display: Some(core.shown_name()),
            active: core.active,
            given_name: core.given_name.map(str::to_owned),
            family_name: core.family_name.map(str::to_owned),
            email: core.primary_email().map(str::to_owned),
            email_keys,
            said: Said::of(&core),
            user_name,
        })
    }

    pub(super) fn profile(&self) -> Profile {
        Profile {
            user_name: Some(self.user_name.clone()),
            display_name: self.display.clone(),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            email_key: self.email.as_deref().map(fold::key),
            email: self.email.clone(),
        }
    }

    pub(super) fn newcomer(&self) -> Newcomer {
        Newcomer {
            user_name_key: self.user_name_key.clone(),
            email_keys: self.email_keys.clone(),
            external_id: self.external_id.clone(),
            active: self.active,
            profile: self.profile(),
            person: None,
        }
    }
}

/// The attributes of a document that were written or are gone.
pub(super) fn attributes_changed<'d>(
    before: &'d Map<String, Value>,
    after: &'d Map<String, Value>,
) -> Vec<&'d String> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let written = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value));
    written.map(|(key, _)| key).chain(gone).collect()
}
