//! What each kind of provider has of its own.

use std::collections::BTreeSet;

use super::settings::{Attribute, Claims, ClientAuth, Edit, FirstLogin, Settings};
use crate::store::connections::ConnectionKind;

/// Where Entra is.
const ENTRA: &str = "https://login.microsoftonline.com";
/// What the issuer of an Entra application for several tenants is, with the tenant left out.
pub(super) const TEMPLATE: &str = "{tenantid}";

/// What a connection of that kind is set to before anybody says anything. An edit that names one Entra
/// tenant and no issuer has the issuer of that tenant.
pub(super) fn of(kind: ConnectionKind, edit: &Edit) -> Settings {
    let is_oidc = kind != ConnectionKind::Oauth2;
    let scopes: &[&str] = if is_oidc {
        &["openid", "profile", "email"]
    } else {
        &[]
    };
    let mut settings = Settings {
        issuer: None,
        authorization_endpoint: None,
        token_endpoint: None,
        userinfo_endpoint: None,
        client_id: String::new(),
        client_auth: ClientAuth::default(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        // These say all of it in the ID token; others there nothing but who it is.
        userinfo: !matches!(
            kind,
            ConnectionKind::Entra | ConnectionKind::EntraMultiTenant | ConnectionKind::Google
        ),
        tenants: BTreeSet::new(),
        hosted_domains: BTreeSet::new(),
        claims: Claims {
            subject: "/sub".to_owned(),
            email: "/email".to_owned(),
            email_verified: "/email_verified".to_owned(),
            display_name: "/name".to_owned(),
            given_name: "/given_name".to_owned(),
            family_name: "/family_name".to_owned(),
        },
        matching: None,
        first_login: FirstLogin::Refuse,
        newcomer_teams: BTreeSet::new(),
        newcomer_roles: BTreeSet::new(),
        max_age: None,
        acr_values: Vec::new(),
        amr: BTreeSet::new(),
    };
    match kind {
        ConnectionKind::Entra => {
            // `sub` is another one for each application; `oid` is the person.
            "/oid".clone_into(&mut settings.claims.subject);
            let mut tenants = edit.tenants.iter().flatten();
            settings.issuer = tenants
                .next()
                .map(|tenant| format!("{ENTRA}/{tenant}/v2.0"));
        }
        ConnectionKind::EntraMultiTenant => {
            "/oid".clone_into(&mut settings.claims.subject);
            settings.issuer = Some(format!("{ENTRA}/organizations/v2.0"));
        }
        ConnectionKind::Google => {
            settings.issuer = Some("https://accounts.google.com".to_owned());
        }
        ConnectionKind::Okta
        | ConnectionKind::Ping
        | ConnectionKind::Oidc
        | ConnectionKind::Oauth2 => {}
    }
    settings
}

/// The claim and the attribute by which a login of a provider finds the User that the same provider
/// pushed, unless an admin knows better: what the provider pushes as `externalId` is its own name of
/// the person.
pub(super) fn matching(settings: &Settings) -> (String, Attribute) {
    if settings.issuer.as_deref() == Some("https://accounts.google.com") {
        return (settings.claims.email.clone(), Attribute::UserName);
    }
    (settings.claims.subject.clone(), Attribute::ExternalId)
}
