//! What a connection is set to: where its provider is, who we are there, and which of its claims say
//! who somebody is.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::presets;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, RoleId, TeamId};
use crate::store::connections::ConnectionKind;
use crate::workspace::profile::Say;

/// The longest text of a setting, in characters.
const LENGTH: usize = 512;
/// The most entries of a list.
const ENTRIES: usize = 50;
/// The longest `max_age`: what is longer asks for nothing.
const AGE: u64 = 30 * 24 * 3_600;

/// How the client says who it is at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionClientAuth")]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// The secret in the `Authorization` header.
    #[default]
    Basic,
    /// The secret in the body.
    Post,
}

/// Which attribute of a directory's Users a claim is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionAttribute")]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// `externalId`, exactly.
    ExternalId,
    /// `userName`, whatever its case.
    UserName,
}

/// What becomes of somebody who signs in and is nobody whom the workspace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionFirstLogin")]
#[serde(rename_all = "snake_case")]
pub enum FirstLogin {
    /// Refused: an invite or a directory comes first.
    #[default]
    Refuse,
    /// A new member, where the provider says that the address is the person's own and its domain is
    /// proved.
    ProvedDomains,
    /// A request, about which an admin decides.
    Queue,
}

/// Which claims say what. Each is a JSON pointer (RFC 6901) into the ID token, or into what `userinfo`
/// says where the token has no such claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionClaims")]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who somebody is at the provider, for good; nobody edits it there.
    pub subject: String,
    /// The address.
    pub email: String,
    /// Whether the address is the person's own: only JSON `true` says so.
    pub email_verified: String,
    /// The name for people.
    pub display_name: String,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
}

/// By which claim a login finds the User of a directory of the same provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionMatching")]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The directory's id.
    pub directory: DirectoryId,
    /// The claim, as a JSON pointer.
    pub claim: String,
    /// The attribute.
    pub attribute: Attribute,
}

/// What a connection is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionSettings")]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The issuer, exactly as the provider writes it; none for OAuth 2.0.
    pub issuer: Option<String>,
    /// Where people sign in; discovered for OpenID Connect.
    pub authorization_endpoint: Option<String>,
    /// Where codes are exchanged; discovered for OpenID Connect.
    pub token_endpoint: Option<String>,
    /// Who is there; discovered for OpenID Connect.
    pub userinfo_endpoint: Option<String>,
    /// Who we are there.
    pub client_id: String,
    /// How that is shown.
    pub client_auth: ClientAuth,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Whether `userinfo` is asked too.
    pub userinfo: bool,
    /// The tenants whose people may come in (Entra), by id; none: the issuer's own.
    pub tenants: BTreeSet<String>,
    /// The hosted domains whose people may come in (Google: the claim `hd`); none: whoever.
    pub hosted_domains: BTreeSet<String>,
    /// Which claims say what.
    pub claims: Claims,
    /// How a login finds the User of a directory.
    pub matching: Option<Matching>,
    /// What becomes of somebody whom the workspace does not have.
    pub first_login: FirstLogin,
    /// The teams of a new member, by id.
    pub newcomer_teams: BTreeSet<TeamId>,
    /// The roles of a new member, by id.
    pub newcomer_roles: BTreeSet<RoleId>,
    /// How long ago somebody may have proved at the provider who it is, in seconds; any time if not
    /// set.
    pub max_age: Option<u64>,
    /// The authentication contexts (`acr`) of which a login must have met one; any if there are none.
    pub acr_values: Vec<String>,
    /// What a login must have been made by (`amr`), all of it.
    pub amr: BTreeSet<String>,
}

/// What an admin says of a connection: what is left out stays as it is, or as the kind of provider
/// has it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ConnectionEdit")]
pub struct Edit {
    /// Whose provider it is; it stays what it was made as.
    pub kind: Option<ConnectionKind>,
    /// Its name, unique in the workspace.
    pub name: Option<String>,
    /// The issuer, exactly as the provider writes it.
    pub issuer: Option<String>,
    /// Where people sign in (OAuth 2.0).
    pub authorization_endpoint: Option<String>,
    /// Where codes are exchanged (OAuth 2.0).
    pub token_endpoint: Option<String>,
    /// Who is there (OAuth 2.0).
    pub userinfo_endpoint: Option<String>,
    /// Who we are there.
    pub client_id: Option<String>,
    /// The client's secret, which is never shown again.
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<secrecy::SecretString>,
    /// How that is shown.
    pub client_auth: Option<ClientAuth>,
    /// What is asked for.
    pub scopes: Option<Vec<String>>,
    /// Whether `userinfo` is asked too.
    pub userinfo: Option<bool>,
    /// The tenants whose people may come in (Entra).
    pub tenants: Option<BTreeSet<String>>,
    /// The hosted domains whose people may come in (Google).
    pub hosted_domains: Option<BTreeSet<String>>,
    /// The claim that says who somebody is.
    pub subject: Option<String>,
    /// The claim with the address.
    pub email: Option<String>,
    /// The claim that says whether the address is the person's own.
    pub email_verified: Option<String>,
    /// The claim with the name for people.
    pub display_name: Option<String>,
    /// The claim with the first name.
    pub given_name: Option<String>,
    /// The claim with the last name.
    pub family_name: Option<String>,
    /// The directory of the same provider, by name or id; empty for none.
    pub directory: Option<String>,
    /// The claim that is compared with its Users.
    pub matching_claim: Option<String>,
    /// The attribute that it is compared with.
    pub matching_attribute: Option<Attribute>,
    /// What becomes of somebody whom the workspace does not have.
    pub first_login: Option<FirstLogin>,
    /// The teams of a new member, by name or id.
    pub newcomer_teams: Option<Vec<String>>,
    /// The roles of a new member, by name or id.
    pub newcomer_roles: Option<Vec<String>>,
    /// How long ago somebody may have proved who it is, in seconds; 0 for any time.
    pub max_age: Option<u64>,
    /// The authentication contexts of which a login must have met one.
    pub acr_values: Option<Vec<String>>,
    /// What a login must have been made by.
    pub amr: Option<BTreeSet<String>>,
}

/// What an edit names, as it was found.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The directory.
    pub directory: Say<DirectoryId>,
    /// The teams.
    pub teams: Option<BTreeSet<TeamId>>,
    /// The roles.
    pub roles: Option<BTreeSet<RoleId>>,
}

impl Settings {
    /// What an edit makes of them.
    #[must_use]
    pub fn edited(&self, edit: &Edit, named: &Named) -> Self {
        let mut now = self.clone();
        let text = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                from.trim().clone_into(to);
            }
        };
        let option = |to: &mut Option<String>, from: &Option<String>| {
            if let Some(from) = from {
                *to = Some(from.trim().to_owned()).filter(|it| !it.is_empty());
            }
        };
        option(&mut now.issuer, &edit.issuer);
        option(
            &mut now.authorization_endpoint,
            &edit.authorization_endpoint,
        );
        option(&mut now.token_endpoint, &edit.token_endpoint);
        option(&mut now.userinfo_endpoint, &edit.userinfo_endpoint);
        text(&mut now.client_id, &edit.client_id);
        let claims = &mut now.claims;
        text(&mut claims.subject, &edit.subject);
        text(&mut claims.email, &edit.email);
        text(&mut claims.email_verified, &edit.email_verified);
        text(&mut claims.display_name, &edit.display_name);
        text(&mut claims.given_name, &edit.given_name);
        text(&mut claims.family_name, &edit.family_name);
        set(&mut now.client_auth, edit.client_auth.as_ref());
        set(&mut now.scopes, edit.scopes.as_ref());
        set(&mut now.userinfo, edit.userinfo.as_ref());
        set(&mut now.tenants, edit.tenants.as_ref());
        set(&mut now.hosted_domains, edit.hosted_domains.as_ref());
        set(&mut now.first_login, edit.first_login.as_ref());
        set(&mut now.newcomer_teams, named.teams.as_ref());
        set(&mut now.newcomer_roles, named.roles.as_ref());
        set(&mut now.acr_values, edit.acr_values.as_ref());
        set(&mut now.amr, edit.amr.as_ref());
        if let Some(seconds) = edit.max_age {
            now.max_age = Some(seconds).filter(|seconds| *seconds > 0);
        }
        now.matching = match &named.directory {
            Say::Nothing => now.matching,
            Say::Clear => None,
            &Say::Set(directory) => {
                let (claim, attribute) = presets::matching(&now);
                Some(Matching {
                    directory,
                    claim,
                    attribute,
                })
            }
        };
        if let Some(matching) = &mut now.matching {
            text(&mut matching.claim, &edit.matching_claim);
            set(&mut matching.attribute, edit.matching_attribute.as_ref());
        }
        now
    }

    /// Whether somebody whom one set-up knows may be somebody else, or nobody, by the other.
    pub fn knows_otherwise(&self, other: &Self) -> bool {
        let identifying = |it: &Self| {
            let mut it = it.clone();
            it.scopes = Vec::new();
            it.client_auth = ClientAuth::Basic;
            it.first_login = FirstLogin::Refuse;
            (it.newcomer_teams, it.newcomer_roles) = (BTreeSet::new(), BTreeSet::new());
            it.hosted_domains = BTreeSet::new();
            it.tenants = BTreeSet::new();
            (it.max_age, it.acr_values, it.amr) = (None, Vec::new(), BTreeSet::new());
            it
        };
        identifying(self) != identifying(other)
    }

    /// Refuses what cannot work, or must not.
    pub fn check(&self, kind: ConnectionKind) -> Result<()> {
        check_text(&self.client_id, "client_id")?;
        let required = |url: &Option<String>, name: &str| match url {
            Some(url) => check_url(url, name),
            None => Err(Error::value(format!("{name} is missing"))),
        };
        if kind == ConnectionKind::Oauth2 {
            if self.issuer.is_some() {
                return Err(Error::value("issuer is for OpenID Connect alone"));
            }
            required(&self.authorization_endpoint, "authorization_endpoint")?;
            required(&self.token_endpoint, "token_endpoint")?;
            required(&self.userinfo_endpoint, "userinfo_endpoint")?;
        } else {
            required(&self.issuer, "issuer")?;
            let endpoints = [
                &self.authorization_endpoint,
                &self.token_endpoint,
                &self.userinfo_endpoint,
            ];
            if endpoints.into_iter().any(Option::is_some) {
                return Err(Error::value("endpoints are discovered for OpenID Connect"));
            }
            if !self.scopes.iter().any(|scope| scope == "openid") {
                return Err(Error::value("scopes must have openid in them"));
            }
        }
        if kind == ConnectionKind::EntraMultiTenant && self.tenants.is_empty() {
            return Err(Error::value("tenants must name at least one tenant"));
        }
        if kind == ConnectionKind::Google && self.hosted_domains.is_empty() {
            return Err(Error::value("hosted_domains must name at least one domain"));
        }
        for (list, name) in [(&self.scopes, "scopes"), (&self.acr_values, "acr_values")] {
            check_list(list.iter(), name)?;
        }
        for (list, name) in [
            (&self.tenants, "tenants"),
            (&self.hosted_domains, "hosted_domains"),
            (&self.amr, "amr"),
        ] {
            check_list(list.iter(), name)?;
        }
        let claims = &self.claims;
        for (pointer, name) in [
            (&claims.subject, "subject"),
            (&claims.email, "email"),
            (&claims.email_verified, "email_verified"),
            (&claims.display_name, "display_name"),
            (&claims.given_name, "given_name"),
            (&claims.family_name, "family_name"),
        ] {
            check_pointer(pointer, name)?;
        }
        if let Some(matching) = &self.matching {
            check_pointer(&matching.claim, "matching_claim")?;
            let is_editable = matching.attribute == Attribute::UserName;
            if is_editable && kind == ConnectionKind::EntraMultiTenant {
                // In a tenant of one's own, names and addresses are what one says they are.
                return Err(Error::value(
                    "matching_attribute must be externalId where several tenants come in",
                ));
            }
        }
        if self.max_age.is_some_and(|seconds| seconds > AGE) {
            return Err(Error::value(format!("max_age must be 1 to {AGE}, or 0")));
        }
        Ok(())
    }
}

fn set<T: Clone>(to: &mut T, from: Option<&T>) {
    if let Some(from) = from {
        from.clone_into(to);
    }
}

fn check_text(text: &str, name: &str) -> Result<()> {
    let fits =
        !text.is_empty() && text.chars().count() <= LENGTH && !text.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(Error::value(format!(
            "{name} must have 1 to {LENGTH} characters"
        )))
    }
}

fn check_list<'l>(list: impl ExactSizeIterator<Item = &'l String>, name: &str) -> Result<()> {
    if list.len() > ENTRIES {
        return Err(Error::value(format!(
            "{name} must have at most {ENTRIES} entries"
        )));
    }
    for entry in list {
        check_text(entry, name)?;
        if entry.contains(char::is_whitespace) {
            return Err(Error::value(format!("{name} must have no spaces in them")));
        }
    }
    Ok(())
}

fn check_pointer(pointer: &str, name: &str) -> Result<()> {
    check_text(pointer, name)?;
    if pointer.starts_with('/') {
        Ok(())
    } else {
        Err(Error::value(format!(
            "{name} must be a JSON pointer, such as /sub"
        )))
    }
}

/// A URL of a provider. Whether it is `https` is seen to by whoever connects: an operator may open
/// networks of its own.
fn check_url(text: &str, name: &str) -> Result<()> {
    check_text(text, name)?;
    let fits = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if fits {
        Ok(())
    } else {
        Err(Error::value(format!(
            "{name} must be an https URL without credentials"
        )))
    }
}
