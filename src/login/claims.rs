//! What the claims of a provider say about a person, and whether that is enough.

use serde_json::Value;

use super::checks::LEEWAY;
use super::connections::Connection;
use super::presets::TEMPLATE;
use super::provider::Provider;
use super::refused::Refused;
use super::settings::{Attribute, FirstLogin, Settings};
use crate::admission::first_login::{Identity, KnownAs, Newcomer, Visitor};
use crate::app::App;
use crate::clock::Timestamp;
use crate::store::connections::ConnectionKind;
use crate::workspace::manual::Right;
use crate::workspace::members::GrantKind;
use crate::workspace::profile::{Edit, Say};

/// The longest name of a person at a provider, in bytes.
const SUBJECT: usize = 255;
/// The most ways of proof that are kept.
const WAYS: usize = 10;

/// Somebody whom a provider vouches for, and how it knows.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who it is.
    pub visitor: Visitor,
    /// When the person last proved at the provider who it is; now, if it does not say.
    pub auth_time: Timestamp,
    /// How (RFC 8176), as far as it says.
    pub amr: Vec<String>,
    /// The session at the provider, where it has a name.
    pub provider_session: Option<String>,
    /// All claims.
    pub claims: Value,
}

/// The issuer that a token must have, whose claims nothing is known of yet: of several tenants, the
/// one that it names, if that may come in.
pub(super) fn issuer(
    provider: &Provider,
    settings: &Settings,
    claims: &Value,
) -> Result<String, Refused> {
    if !provider.issuer.contains(TEMPLATE) {
        return Ok(provider.issuer.clone());
    }
    let tenant = claims["tid"].as_str().ok_or(Refused::Claim("tid"))?;
    if !settings.tenants.contains(tenant) {
        return Err(Refused::Tenant);
    }
    Ok(provider.issuer.replace(TEMPLATE, tenant))
}

/// Whether an issuer is the provider's own.
pub(super) fn is_issuer(provider: &Provider, settings: &Settings, issuer: &str) -> bool {
    if !provider.issuer.contains(TEMPLATE) {
        return provider.issuer == issuer;
    }
    let mut tenants = settings.tenants.iter();
    tenants.any(|tenant| provider.issuer.replace(TEMPLATE, tenant) == issuer)
}

/// Who is there by claims that hold.
pub(super) fn person(
    app: &App,
    connection: &Connection,
    settings: &Settings,
    claims: &Value,
) -> Result<Person, Refused> {
    check_belongs(settings, claims)?;
    let now = app.clock.now();
    let auth_time = claims["auth_time"].as_i64();
    check_strength(settings, claims, (auth_time, now))?;
    let names = &settings.claims;
    let subject = subject(settings, claims).ok_or(Refused::Claim("subject"))?;
    let said = |pointer: &str, set: fn(&mut Edit, String)| {
        let text = claims.pointer(pointer)?.as_str()?;
        let mut edit = Edit::default();
        set(&mut edit, text.trim().to_owned());
        edit.checked().ok()
    };
    // What fits into no field is left out: nobody is kept out by it.
    let email = said(&names.email, |edit, text| edit.email = Say::Set(text));
    let display_name = said(&names.display_name, |edit, text| {
        edit.display_name = Say::Set(text);
    });
    let given_name = said(&names.given_name, |edit, text| {
        edit.given_name = Say::Set(text);
    });
    let family_name = said(&names.family_name, |edit, text| {
        edit.family_name = Say::Set(text);
    });
    let known_as = settings.matching.as_ref().and_then(|matching| {
        let name = name(claims, &matching.claim)?;
        Some(match matching.attribute {
            Attribute::ExternalId => KnownAs::ExternalId(matching.directory, name),
            Attribute::UserName => KnownAs::UserName(matching.directory, name),
        })
    });
    // In a tenant of one's own, an address is what one says it is.
    let is_vouched = connection.kind != ConnectionKind::EntraMultiTenant
        && claims.pointer(&names.email_verified) == Some(&Value::Bool(true));
    let amr = claims["amr"].as_array().into_iter().flatten();
    let amr = amr.filter_map(Value::as_str).filter(|it| is_word(it));
    Ok(Person {
        visitor: Visitor {
            identity: Identity {
                connection: connection.id,
                issuer: match connection.kind {
                    ConnectionKind::Oauth2 => String::new(),
                    _ => claims["iss"].as_str().unwrap_or_default().to_owned(),
                },
                subject,
            },
            known_as,
            email: email.and_then(|edit| edit.email.set().cloned()),
            is_vouched,
            display_name: display_name.and_then(|edit| edit.display_name.set().cloned()),
            given_name: given_name.and_then(|edit| edit.given_name.set().cloned()),
            family_name: family_name.and_then(|edit| edit.family_name.set().cloned()),
            newcomer: match settings.first_login {
                FirstLogin::Refuse => Newcomer::Refused,
                FirstLogin::ProvedDomains => Newcomer::Proved,
                FirstLogin::Queue => Newcomer::Asks,
            },
            rights: rights(settings),
        },
        auth_time: auth_time
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .map_or(now, |micros| Timestamp(micros.min(now.0))),
        amr: amr.take(WAYS).map(str::to_owned).collect(),
        provider_session: claims["sid"]
            .as_str()
            .filter(|sid| sid.len() <= SUBJECT)
            .map(str::to_owned),
        claims: claims.clone(),
    })
}

/// What a new member has.
fn rights(settings: &Settings) -> Vec<Right> {
    let right = |kind, name| Right { kind, name };
    let teams = settings.newcomer_teams.iter();
    let teams = teams.map(|id| right(GrantKind::Team, id.to_string()));
    let roles = settings.newcomer_roles.iter();
    let roles = roles.map(|id| right(GrantKind::Role, id.to_string()));
    teams.chain(roles).collect()
}

/// Refuses whoever comes from elsewhere: only claims say so, exactly.
fn check_belongs(settings: &Settings, claims: &Value) -> Result<(), Refused> {
    let is_in = |list: &std::collections::BTreeSet<String>, claim: &str| {
        list.is_empty() || claims[claim].as_str().is_some_and(|it| list.contains(it))
    };
    if is_in(&settings.tenants, "tid") && is_in(&settings.hosted_domains, "hd") {
        Ok(())
    } else {
        Err(Refused::Tenant)
    }
}

/// Refuses whoever proved too little, or too long ago. What a provider does not say counts as weakest.
fn check_strength(
    settings: &Settings,
    claims: &Value,
    (auth_time, now): (Option<i64>, Timestamp),
) -> Result<(), Refused> {
    let is_recent = settings.max_age.is_none_or(|age| {
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        let earliest = (now.0 / 1_000_000).saturating_sub(age) - LEEWAY;
        auth_time.is_some_and(|at| at >= earliest)
    });
    let acr = claims["acr"].as_str();
    let is_met = settings.acr_values.is_empty()
        || acr.is_some_and(|acr| settings.acr_values.iter().any(|it| it == acr));
    let made_by = |way: &String| {
        let amr = claims["amr"].as_array().into_iter().flatten();
        amr.filter_map(Value::as_str).any(|it| it == way)
    };
    if is_recent && is_met && settings.amr.iter().all(made_by) {
        Ok(())
    } else {
        Err(Refused::Weak)
    }
}

/// Who somebody is at the provider, by its claims.
pub(super) fn subject(settings: &Settings, claims: &Value) -> Option<String> {
    name(claims, &settings.claims.subject)
}

/// A text or number that names somebody.
fn name(claims: &Value, pointer: &str) -> Option<String> {
    let text = match claims.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        _ => return None,
    };
    let fits =
        !text.trim().is_empty() && text.len() <= SUBJECT && !text.chars().any(char::is_control);
    fits.then_some(text)
}

fn is_word(text: &str) -> bool {
    text.len() <= 32
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_')
}
