//! A login: begun here, made at the provider, ended here, in one browser.
//!
//! What comes back names a flow by `state`, which is spent by that; connection, nonce and verifier are
//! the flow's own. Nothing that a browser sends says at whose provider somebody signs in.

use std::time::Duration;

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, ClientId, CsrfToken, IssuerUrl, JsonWebKeySet, LoginHint,
    Nonce, PkceCodeChallenge, RedirectUrl, Scope,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::claims::{self, Person};
use super::connections::{self, Connection};
use super::paths;
use super::provider::{self, Provider};
use super::refused::Refused;
use super::report;
use super::settings::Settings;
use super::tokens::{self, OidcClient};
use super::trouble;
use crate::accounts::sessions::{self, Begun, Browser};
use crate::admission::first_login::{self, Why};
use crate::app::App;
use crate::app::credentials::check_clock;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{ConnectionId, FlowId, SessionId};
use crate::secrets::sha256;
use crate::store::connections as rows;
use crate::store::identities;
use crate::store::login_flows::{self, Flow, Returned};
use crate::store::spent_tokens;

/// How long somebody may take at the provider.
pub const LIFE: Duration = Duration::from_mins(10);
/// How long one that is over is kept.
const KEPT: Duration = Duration::from_hours(1);
/// How many are forgotten at a time.
const BATCH: i64 = 500;
/// For what flows are sealed.
const PURPOSE: &str = "login flows";
/// How much of what a provider says to people is shown, in characters.
const SAID: usize = 300;
/// The longest hint of who signs in.
const HINT: usize = 256;

/// What is wanted of a login.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Where to go afterwards, as the browser says.
    pub return_to: Option<String>,
    /// Who is probably signing in.
    pub login_hint: Option<String>,
    /// What the provider is to ask, in its own words (`prompt`): `login` or `select_account`.
    pub prompt: Option<String>,
    /// Whose people are to sign in, where somebody else says so (OpenID Connect Core 1.0 section 4).
    pub iss: Option<String>,
    /// The session of an admin who tests the connection; else somebody signs in.
    pub tester: Option<SessionId>,
}

/// A login that has begun.
pub struct Started {
    /// Where to send the browser.
    pub url: String,
    /// What the browser keeps, and no other has.
    pub browser: SecretString,
}

/// What came back.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Answer {
    /// The code.
    pub code: Option<String>,
    /// Which flow it belongs to.
    pub state: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The same for people.
    pub error_description: Option<String>,
}

/// How a login ended.
pub enum Ended {
    /// Somebody is in.
    In {
        /// The session.
        begun: Begun,
        /// Where to go.
        return_to: String,
    },
    /// A test showed this.
    Tested(Box<Person>, Connection),
}

/// What belongs to a flow and is nobody's to see.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    verifier: String,
    return_to: String,
}

/// Begins a login at a connection that people sign in by, or that is tested.
pub async fn begin(
    app: &App,
    origin: &Origin,
    connection: ConnectionId,
    wanted: &Wanted,
    browser: Option<&str>,
) -> Result<Started, Refused> {
    check_clock(app)?;
    let found = find(app, connection).await?;
    if found.enabled_at.is_none() && wanted.tester.is_none() {
        return Err(Error::NotFound("connection").into());
    }
    let settings = connections::settings(&found)?;
    if wanted.iss.is_some() && wanted.iss != settings.issuer {
        return Err(Refused::Issuer);
    }
    let provider = provider::find(app, found.kind, &settings).await;
    if let Err(Refused::Away) = &provider {
        trouble::note(app, origin, &found, true).await?;
    }
    let provider = provider?;
    let state = CsrfToken::new_random_len(32);
    let nonce = Nonce::new_random_len(32);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256_len(32);
    let browser = browser.filter(|it| is_kept(it)).map(str::to_owned);
    let browser = browser.unwrap_or_else(|| CsrfToken::new_random_len(32).into_secret());
    let sealed = Sealed {
        nonce: nonce.secret().clone(),
        verifier: verifier.into_secret(),
        return_to: paths::leads_to(&app.public_url().await?, wanted.return_to.as_deref()),
    };
    let (id, at) = (FlowId::new(), app.clock.now());
    let plain = serde_json::to_vec(&sealed).map_err(Error::internal)?;
    let key = app.keys.of_workspace(found.workspace, PURPOSE)?;
    let flow = Flow {
        id,
        hash: sha256(state.secret().as_bytes()),
        browser_hash: sha256(browser.as_bytes()),
        workspace: found.workspace,
        connection: found.id,
        connection_version: found.version,
        tester: wanted.tester,
        sealed: key.seal(&binding(id), &plain)?,
        at,
        expires_at: at.after(LIFE),
    };
    let redirect_uri = connections::redirect_uri(app, found.id).await?;
    let asked = Asked {
        settings: &settings,
        provider: &provider,
        redirect_uri,
        hint: wanted.login_hint.as_deref(),
        prompt: wanted.prompt.as_deref(),
    };
    let url = asked.url(state, nonce, challenge)?;
    app.write(move |tx| {
        let flow = flow.clone();
        Box::pin(async move { Ok(login_flows::insert(tx, &flow).await?) })
    })
    .await?;
    Ok(Started {
        url,
        browser: browser.into(),
    })
}

/// What is asked of a provider.
struct Asked<'a> {
    settings: &'a Settings,
    provider: &'a Provider,
    redirect_uri: String,
    hint: Option<&'a str>,
    prompt: Option<&'a str>,
}

impl Asked<'_> {
    fn url(
        self,
        state: CsrfToken,
        nonce: Nonce,
        challenge: PkceCodeChallenge,
    ) -> Result<String, Refused> {
        let settings = self.settings;
        let malformed = |_| Refused::Away;
        let auth_url = AuthUrl::new(self.provider.authorization_endpoint.clone());
        let auth_url = auth_url.map_err(malformed)?;
        let redirect_uri = RedirectUrl::new(self.redirect_uri).map_err(malformed)?;
        let id = ClientId::new(settings.client_id.clone());
        let scopes = settings.scopes.iter().cloned().map(Scope::new);
        let hint = self.hint.map(|hint| hint.chars().take(HINT).collect());
        if self.provider.keys.is_none() {
            let client = oauth2::basic::BasicClient::new(id)
                .set_auth_uri(auth_url)
                .set_redirect_uri(redirect_uri);
            let (url, _) = client
                .authorize_url(|| state)
                .add_scopes(scopes)
                .set_pkce_challenge(challenge)
                .url();
            return Ok(url.into());
        }
        // The issuer is checked when a token comes; for several tenants it is no URL of one.
        let issuer = IssuerUrl::new(self.provider.issuer.clone()).map_err(malformed)?;
        let client = OidcClient::new(id, issuer, JsonWebKeySet::new(Vec::new()))
            .disable_openid_scope()
            .set_auth_uri(auth_url)
            .set_redirect_uri(redirect_uri);
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, || state, || nonce)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        if let Some(hint) = hint {
            request = request.set_login_hint(LoginHint::new(hint));
        }
        if let Some(seconds) = settings.max_age {
            request = request.set_max_age(Duration::from_secs(seconds));
        }
        for acr in &settings.acr_values {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        // Whoever has several accounts at Google says which.
        let is_google = self.provider.issuer == "https://accounts.google.com";
        let prompt = match self.prompt {
            Some("login") => Some(CoreAuthPrompt::Login),
            Some("select_account") => Some(CoreAuthPrompt::SelectAccount),
            _ => is_google.then_some(CoreAuthPrompt::SelectAccount),
        };
        if let Some(prompt) = prompt {
            request = request.add_prompt(prompt);
        }
        Ok(request.url().0.into())
    }
}

/// Ends a login with what came back at a connection's redirect URI. Each refusal that belongs to a
/// flow is told in the workspace's log of changes.
pub async fn end(
    app: &App,
    origin: &Origin,
    at: ConnectionId,
    answer: &Answer,
    (browser, kept, former): (Browser, Option<&str>, Option<&str>),
) -> Result<Ended, Refused> {
    check_clock(app)?;
    let state = answer.state.as_deref().ok_or(Refused::State)?;
    let (hash, now) = (sha256(state.as_bytes()), app.clock.now());
    let flow = app
        .write(move |tx| Box::pin(async move { Ok(login_flows::spend(tx, &hash, now).await?) }))
        .await?;
    let flow = flow.ok_or(Refused::State)?;
    let ended = ended(app, origin, (&flow, at), answer, (browser, kept, former)).await;
    if let Err(refused) = &ended {
        tell(app, origin, &flow, refused).await?;
    }
    ended
}

async fn ended(
    app: &App,
    origin: &Origin,
    (flow, at): (&Returned, ConnectionId),
    answer: &Answer,
    (browser, kept, former): (Browser, Option<&str>, Option<&str>),
) -> Result<Ended, Refused> {
    let is_same = kept.is_some_and(|kept| sha256(kept.as_bytes())[..] == flow.browser_hash[..]);
    if !is_same {
        return Err(Refused::Browser);
    }
    let found = find(app, flow.connection).await?;
    let is_open = found.enabled_at.is_some() || flow.tester.is_some();
    if flow.connection != at || found.version != flow.connection_version || !is_open {
        return Err(Refused::Connection);
    }
    let vouched = vouched(app, (flow, &found), answer).await;
    match &vouched {
        Ok(vouched) => trouble::note(app, origin, &found, vouched.is_troubled).await?,
        Err(Refused::Away) => trouble::note(app, origin, &found, true).await?,
        Err(_) => {}
    }
    let Vouched {
        person, return_to, ..
    } = vouched?;
    if let Some(tester) = flow.tester {
        let token = former.ok_or(Refused::Browser)?;
        // Who may test may have changed meanwhile.
        let (session, _) = report::tester(app, token, flow.workspace).await?;
        if session != tester {
            return Err(Refused::Browser);
        }
        return Ok(Ended::Tested(Box::new(person), found));
    }
    let begun = sign_in(app, origin, (&found, person), (browser, former)).await?;
    Ok(Ended::In { begun, return_to })
}

/// Somebody whom the provider vouches for in the login that began here.
struct Vouched {
    person: Person,
    return_to: String,
    /// Whether what the provider publishes is as it was last, since it cannot be had.
    is_troubled: bool,
}

async fn vouched(
    app: &App,
    (flow, found): (&Returned, &Connection),
    answer: &Answer,
) -> Result<Vouched, Refused> {
    let settings = connections::settings(found)?;
    let provider = provider::find(app, found.kind, &settings).await?;
    check_issuer(&provider, &settings, answer)?;
    if let Some(code) = &answer.error {
        return Err(said(code, answer.error_description.as_deref()));
    }
    let code = answer.code.clone().ok_or(Refused::Exchange(None))?;
    let key = app.keys.of_workspace(flow.workspace, PURPOSE)?;
    let sealed = key.open(&binding(flow.id), &flow.sealed)?;
    let sealed: Sealed = serde_json::from_slice(&sealed).map_err(Error::internal)?;
    let exchange = tokens::Exchange {
        app,
        connection: found,
        settings: &settings,
        provider: &provider,
        code,
        nonce: sealed.nonce,
        verifier: sealed.verifier,
    };
    let claims = exchange.claims().await?;
    Ok(Vouched {
        person: claims::person(app, found, &settings, &claims)?,
        return_to: sealed.return_to,
        is_troubled: provider::is_troubled(app, &settings, &provider),
    })
}

/// Lets the person in, and begins the session.
async fn sign_in(
    app: &App,
    origin: &Origin,
    (connection, person): (&Connection, Person),
    (browser, former): (Browser, Option<&str>),
) -> Result<Begun, Refused> {
    let minted = sessions::mint(app, browser)?;
    let former = former.and_then(sessions::hash);
    let act = Act::of(app, origin, connection.workspace);
    let (app_, kept, wanted) = (app.clone(), minted.clone(), connection.clone());
    let admitted = app
        .write(move |tx| {
            let (app, mut act) = (app_.clone(), act.clone());
            let (minted, person, wanted) = (kept.clone(), person.clone(), wanted.clone());
            Box::pin(async move {
                act.origin.actor = Some(format!("connection {}", wanted.id));
                let admitted = first_login::admit(tx, &app, &act, &person.visitor).await?;
                // Whoever switches it off waits, or nothing comes of it. It is locked after the
                // workspace and the member, as whoever switches it off does.
                let now = rows::keep(tx, act.workspace, wanted.id).await?;
                let now = now.filter(|now| now.enabled_at.is_some());
                let now = now.filter(|now| now.version == wanted.version);
                let now = now.ok_or(Error::VersionMismatch)?;
                let member = match admitted {
                    Ok(member) => member,
                    Err(why) => {
                        let identity = &person.visitor.identity;
                        let member = identities::find(tx, act.workspace, identity).await?;
                        return Ok(Some((why, member)));
                    }
                };
                let whose = (act.workspace, member.id);
                let way = sessions::Way {
                    auth_time: person.auth_time,
                    amr: person.amr.join(" "),
                    connection: Some((now.id, now.access_epoch)),
                    provider_session: person.provider_session.clone(),
                };
                sessions::begin(tx, &minted, Some((whose, way)), act.at).await?;
                if let Some(former) = former {
                    let workspace = Some(act.workspace);
                    sessions::follow(tx, &minted, &former, workspace, act.at).await?;
                }
                let detail = json!({
                    "session": minted.id, "connection": now.id, "amr": person.amr,
                });
                let subject = ("member", member.id.0);
                let change = act.change("session.started", subject, None, &detail);
                changes::record(tx, act.workspace, &[change]).await?;
                Ok(None)
            })
        })
        .await;
    match admitted {
        Ok(None) => Ok(minted.begun()),
        Ok(Some((why, member))) => Err(Refused::Person { why, member }),
        Err(Error::VersionMismatch) => Err(Refused::Connection),
        // What somebody new does not find is a seat.
        Err(Error::Conflict(_)) => Err(Refused::Person {
            why: Why::NoSeat,
            member: None,
        }),
        Err(error) => Err(error.into()),
    }
}

/// Whether an answer comes from the flow's own provider (RFC 9207 section 2.4).
fn check_issuer(provider: &Provider, settings: &Settings, answer: &Answer) -> Result<(), Refused> {
    let is_own = match &answer.iss {
        None => !provider.names_itself,
        Some(_) if provider.keys.is_none() => true,
        Some(iss) => claims::is_issuer(provider, settings, iss),
    };
    if is_own { Ok(()) } else { Err(Refused::Issuer) }
}

fn said(code: &str, text: Option<&str>) -> Refused {
    let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
    let code = if code.len() <= 64 && code.chars().all(is_code) {
        code
    } else {
        "error"
    };
    let text = text.unwrap_or_default().chars();
    let text = text.filter(|c| !c.is_control()).take(SAID).collect();
    Refused::Provider {
        code: code.to_owned(),
        text,
    }
}

async fn find(app: &App, id: ConnectionId) -> Result<Connection> {
    let mut tx = app.db.one().await?;
    let found = rows::find_anywhere(&mut tx, id).await?;
    found.ok_or(Error::NotFound("connection"))
}

/// Tells that somebody was not signed in, and why.
async fn tell(app: &App, origin: &Origin, flow: &Returned, refused: &Refused) -> Result<()> {
    let act = Act::of(app, origin, flow.workspace);
    let detail = json!({
        "connection": flow.connection, "reason": refused.code(), "provider_said": refused.provider_said(),
        "test": flow.tester.is_some(),
    });
    // It is the member's to see, where it is known whose it was.
    let subject = match refused {
        Refused::Person {
            member: Some(member),
            ..
        } => ("member", member.0),
        _ => ("connection", flow.connection.0),
    };
    app.write(move |tx| {
        let (act, detail) = (act.clone(), detail.clone());
        Box::pin(async move {
            let change = act.change("login.refused", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}

/// Whether a browser's cookie has the form of ours.
fn is_kept(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == 43 && text.bytes().all(is_one)
}

/// Binds what belongs to a flow to its row.
fn binding(id: FlowId) -> Vec<u8> {
    let mut aad = b"login_flows.sealed".to_vec();
    aad.extend_from_slice(id.0.as_bytes());
    aad
}

/// Forgets a batch of logins and logout tokens that are over; tells how many.
pub async fn forget(app: &App) -> Result<usize> {
    let before = app.clock.now().before(KEPT);
    let forgotten = app.write(move |tx| {
        Box::pin(async move {
            let tokens = spent_tokens::delete_old(tx, before, BATCH).await?;
            Ok(tokens + login_flows::delete_old(tx, before, BATCH).await?)
        })
    });
    Ok(usize::try_from(forgotten.await?).unwrap_or(usize::MAX))
}
