//! Domains of a workspace: added, proved by a TXT record or a file, or attested by an operator. Nothing
//! relies on one that is not proved, each has one holder over all workspaces, and a proof is looked at
//! again every day: what fails for three days is proved no longer.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use serde_json::json;

use super::keys::Scopes;
use super::public_mail;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{DomainId, RequestId, WorkspaceId};
use crate::store::domains as rows;
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;

pub use crate::store::domains::{Domain, Proof};

/// How long after a check a proved domain is checked again.
pub const AGAIN: Duration = Duration::from_hours(24);
/// How long a proof may fail before it counts no more.
pub const PATIENCE: Duration = Duration::from_hours(72);
/// How many domains a workspace may have.
const MOST: usize = 100;
/// What stands before a domain's name where its TXT record is.
const LABEL: &str = "_gatehouse-challenge";
/// Where on a domain's host the file is.
const FILE: &str = "/.well-known/gatehouse-challenge";

/// A domain with what proves it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Domain")]
pub struct Shown {
    /// The domain. Its name is shown as the DNS has it, so that none looks like another.
    #[serde(flatten)]
    pub domain: Domain,
    /// The name of the TXT record that holds the challenge.
    pub record: String,
    /// Or the file that does.
    pub file: String,
}

impl From<Domain> for Shown {
    fn from(domain: Domain) -> Self {
        Self {
            record: format!("{LABEL}.{}", domain.name),
            file: format!("https://{}{FILE}", domain.name),
            domain,
        }
    }
}

/// The domains of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let domains = rows::list(&mut tx, workspace).await?;
    Ok(domains.into_iter().map(Shown::from).collect())
}

/// The domain of that id or name.
pub async fn find(app: &App, workspace: WorkspaceId, named: &str) -> Result<Shown> {
    let id = named.parse().ok();
    let name = ascii(named).ok();
    let all = list(app, workspace).await?;
    let found = all
        .into_iter()
        .find(|it| Some(it.domain.id) == id || name.as_deref() == Some(it.domain.name.as_str()));
    found.ok_or(Error::NotFound("domain"))
}

/// Adds a domain, which is relied on once it is proved. A public suffix, one of a public mail service
/// and one that another workspace holds are refused.
pub async fn add(app: &App, origin: &Origin, workspace: WorkspaceId, name: &str) -> Result<Shown> {
    let name = checked(name)?;
    let act = Act::of(app, origin, workspace);
    let mut secret = [0; 20];
    crate::secrets::fill(&mut secret)?;
    let domain = Domain {
        id: DomainId::new(),
        workspace,
        name,
        challenge: format!("gatehouse-{}", BASE32_NOPAD.encode(&secret).to_lowercase()),
        proof: None,
        proved_at: None,
        checked_at: None,
        failing_at: None,
        adoption: false,
        created_at: act.at,
    };
    let added = domain.clone();
    app.write(move |tx| {
        let (act, domain) = (act.clone(), added.clone());
        Box::pin(async move {
            refuse_held(tx, &domain).await?;
            if rows::list(tx, workspace).await?.len() >= MOST {
                return Err(Error::Conflict(format!(
                    "a workspace has at most {MOST} domains"
                )));
            }
            rows::insert(tx, &domain).await.on_duplicate("domain")?;
            tell(tx, &act, "domain.added", &domain).await
        })
    })
    .await?;
    Ok(domain.into())
}

/// Looks whether a domain is proved, and says so from then on. Without a proof, or with another
/// workspace that holds it, [`Error::Conflict`] says what was found.
pub async fn check(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    named: &str,
) -> Result<Shown> {
    let found = find(app, workspace, named).await?;
    let outcome = look(app, &found).await;
    let domain = settle(app, origin, &found.domain, outcome.as_ref().ok().copied()).await?;
    match outcome {
        Ok(_) => Ok(domain.into()),
        Err(why) => Err(Error::Conflict(format!("the domain is not proved: {why}"))),
    }
}

/// Says that a domain is the workspace's own, whatever the DNS says; for operators.
pub async fn attest(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    named: &str,
) -> Result<Shown> {
    let found = find(app, workspace, named).await?;
    let proof = Some(Proof::Operator);
    let domain = settle(app, origin, &found.domain, proof).await?;
    Ok(domain.into())
}

/// Says whether Users of a domain link to whom the workspace has. It is for those who may do
/// everything in the workspace, since it reaches every member: else [`Error::Forbidden`].
pub async fn set_adoption(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    named: &str,
    adoption: bool,
) -> Result<Shown> {
    let found = find(app, workspace, named).await?;
    if !scopes.are_all() {
        return Err(Error::Forbidden);
    }
    let act = Act::of(app, origin, workspace);
    let domain = app
        .write(move |tx| {
            let act = act.clone();
            Box::pin(async move {
                let mut domain = lock(tx, workspace, found.domain.id).await?;
                if adoption && domain.proved_at.is_none() {
                    return Err(Error::Conflict("the domain is not proved".to_owned()));
                }
                if domain.adoption != adoption {
                    domain.adoption = adoption;
                    rows::update(tx, &domain).await?;
                    tell(tx, &act, "domain.updated", &domain).await?;
                }
                Ok(domain)
            })
        })
        .await?;
    Ok(domain.into())
}

/// Takes a domain away: nothing relies on it from now on, and another workspace may prove it.
pub async fn remove(app: &App, origin: &Origin, workspace: WorkspaceId, named: &str) -> Result<()> {
    let found = find(app, workspace, named).await?;
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let domain = lock(tx, workspace, found.domain.id).await?;
            rows::delete(tx, workspace, domain.id).await?;
            tell(tx, &act, "domain.removed", &domain).await
        })
    })
    .await
}

/// Checks one proved domain again whose turn it is; tells how many there were. One that fails stays
/// proved for a while, and is told.
pub async fn recheck(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let due = rows::find_due(&mut tx, app.clock.now().before(AGAIN)).await?;
    drop(tx);
    let Some(domain) = due else {
        return Ok(0);
    };
    let shown = Shown::from(domain);
    let outcome = look(app, &shown).await;
    if let Err(why) = &outcome {
        tracing::warn!(
            domain = shown.domain.name,
            why,
            "a proved domain could not be proved again"
        );
    }
    let origin = Origin::worker(RequestId::new());
    settle(app, &origin, &shown.domain, outcome.ok()).await?;
    Ok(1)
}

/// Whether the challenge is where it belongs, and where; else what is there.
async fn look(app: &App, shown: &Shown) -> Result<Proof, String> {
    let challenge = shown.domain.challenge.as_str();
    let texts = app.outside.texts(shown.record.clone()).await;
    let in_dns = match texts {
        Ok(texts) if texts.iter().any(|text| text.trim() == challenge) => return Ok(Proof::Dns),
        Ok(texts) if texts.is_empty() => format!("{} has no TXT record", shown.record),
        Ok(_) => format!("{} has another text", shown.record),
        Err(why) => format!("{}: {why}", shown.record),
    };
    let in_file = match app.outside.file(shown.file.clone()).await {
        Ok(text) if text.trim() == challenge => return Ok(Proof::Https),
        Ok(_) => format!("{} holds another text", shown.file),
        Err(why) => format!("{}: {why}", shown.file),
    };
    Err(format!("{in_dns}; {in_file}"))
}

/// Writes what a check found.
async fn settle(
    app: &App,
    origin: &Origin,
    checked: &Domain,
    proof: Option<Proof>,
) -> Result<Domain> {
    let act = Act::of(app, origin, checked.workspace);
    let (workspace, id) = (checked.workspace, checked.id);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let mut domain = lock(tx, workspace, id).await?;
            // An operator's word stands until the operator takes the domain away.
            if domain.proof == Some(Proof::Operator) && proof != Some(Proof::Operator) {
                return Ok(domain);
            }
            let kind = match proof {
                Some(proof) => {
                    refuse_held(tx, &domain).await?;
                    let kind = match (domain.proved_at, domain.failing_at) {
                        (None, _) => Some("domain.proved"),
                        (_, Some(_)) => Some("domain.recovered"),
                        _ => (domain.proof != Some(proof)).then_some("domain.proved"),
                    };
                    domain.proof = Some(proof);
                    domain.proved_at = domain.proved_at.or(Some(act.at));
                    domain.failing_at = None;
                    kind
                }
                None if domain.proved_at.is_none() => None,
                None => match domain.failing_at {
                    None => {
                        domain.failing_at = Some(act.at);
                        Some("domain.failing")
                    }
                    Some(since) if since.after(PATIENCE) <= act.at => {
                        (domain.proof, domain.proved_at, domain.failing_at) = (None, None, None);
                        // Who proves it anew also says anew what it is for.
                        domain.adoption = false;
                        Some("domain.lapsed")
                    }
                    Some(_) => None,
                },
            };
            domain.checked_at = Some(act.at);
            let written = rows::update(tx, &domain).await;
            written.on_duplicate("domain")?;
            if let Some(kind) = kind {
                tell(tx, &act, kind, &domain).await?;
            }
            Ok(domain)
        })
    })
    .await
}

async fn refuse_held(tx: &mut Tx, domain: &Domain) -> Result<()> {
    if rows::is_held(tx, domain.workspace, &domain.name).await? {
        return Err(Error::Conflict(
            "another workspace of this deployment holds the domain".to_owned(),
        ));
    }
    Ok(())
}

async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: DomainId) -> Result<Domain> {
    let found = rows::lock(tx, workspace, id).await?;
    found.ok_or(Error::NotFound("domain"))
}

async fn tell(tx: &mut Tx, act: &Act, kind: &str, domain: &Domain) -> Result<()> {
    let detail = json!({
        "name": domain.name, "proof": domain.proof, "adoption": domain.adoption,
        "failing_at": domain.failing_at,
    });
    let change = act.change(kind, ("domain", domain.id.0), None, &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// A name as the DNS has it.
fn ascii(name: &str) -> Result<String> {
    let expected = || Error::value("name must be a domain such as acme.example");
    let name = name.trim().trim_end_matches('.');
    match url::Host::parse(name) {
        Ok(url::Host::Domain(name)) if is_host_name(&name) => Ok(name),
        _ => Err(expected()),
    }
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    name.len() <= 200 && name.contains('.') && name.split('.').all(is_label)
}

/// A name that a workspace can prove, as the DNS has it.
pub fn checked(name: &str) -> Result<String> {
    let name = ascii(name)?;
    let Some(registered) = psl::domain_str(&name) else {
        return Err(Error::value(format!(
            "{name} is a public suffix, under which everybody has domains"
        )));
    };
    if public_mail::is_public(registered) {
        return Err(Error::value(format!(
            "{registered} is a public mail service, where everybody has an address"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn names_are_kept_as_the_dns_has_them() {
        for (name, kept) in [
            ("Acme.Example", "acme.example"),
            ("acme.example.", "acme.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            // With a Cyrillic letter it looks like another, and is shown as what it is.
            ("\u{430}cme.example", "xn--cme-5cd.example"),
            ("mail.acme.co.uk", "mail.acme.co.uk"),
        ] {
            assert_eq!(checked(name).unwrap(), kept, "{name}");
        }
    }

    #[test]
    fn what_is_everybodys_is_nobodys() {
        for name in [
            "com",
            "co.uk",
            "github.io",
            "gmail.com",
            "mail.gmail.com",
            "GoogleMail.com",
            "yahoo.co.uk",
            "outlook.de",
            "gmx.net",
            "127.0.0.1",
            "[::1]",
            "localhost",
            "acme",
            "a b.example",
            "acme.example/x",
            "ada@acme.example",
            "*.acme.example",
            "-acme.example",
            "",
        ] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}
