//! `gatehouse workspace connection …`

use std::collections::BTreeSet;
use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Settings, table};
use crate::app::App;
use crate::changes::Origin;
use crate::login::connections::{self, ConnectionKind, Shown, State};
use crate::login::settings::{Attribute, ClientAuth, Edit, FirstLogin};
use crate::workspace::keys::Scopes;
use crate::workspace::{self, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a connection through which people sign in; nobody does before it is tested and switched on.
    Add {
        #[command(flatten)]
        named: Named,
        /// Whose provider it is.
        #[arg(long)]
        kind: Kind,
        #[command(flatten)]
        set: Box<Said>,
    },
    /// List the connections of a workspace.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show a connection, without the client's secret.
    Show(Named),
    /// Change what a connection is set to.
    Set {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        set: Box<Said>,
    },
    /// Let people sign in by a connection, which a test login has proved.
    Enable(Named),
    /// Let nobody sign in by a connection any more; sessions that began by it end.
    Disable(Named),
    /// Take a connection away, with whom it knew; sessions that began by it end.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The connection's name.
    #[arg(long)]
    connection: String,
    #[command(flatten)]
    settings: Settings,
}

/// Whose provider it is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    Okta,
    Entra,
    EntraMultiTenant,
    Google,
    Ping,
    Oidc,
    Oauth2,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Auth {
    Basic,
    Post,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MatchedBy {
    #[value(name = "externalId")]
    ExternalId,
    #[value(name = "userName")]
    UserName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum First {
    Refuse,
    ProvedDomains,
    Queue,
}

/// What a connection is set to; what is left out stays as it is, or as the kind of provider has it.
#[derive(Debug, Args)]
pub(super) struct Said {
    /// Another name.
    #[arg(long)]
    rename: Option<String>,
    /// The issuer, exactly as the provider writes it.
    #[arg(long)]
    issuer: Option<String>,
    /// Where people sign in (OAuth 2.0).
    #[arg(long)]
    authorization_endpoint: Option<String>,
    /// Where codes are exchanged (OAuth 2.0).
    #[arg(long)]
    token_endpoint: Option<String>,
    /// Who is there (OAuth 2.0).
    #[arg(long)]
    userinfo_endpoint: Option<String>,
    /// Who we are there.
    #[arg(long)]
    client_id: Option<String>,
    /// Read the client's secret from standard input, so that no list of processes shows it.
    #[arg(long)]
    client_secret_stdin: bool,
    /// How the secret is sent.
    #[arg(long)]
    client_auth: Option<Auth>,
    /// What is asked for, with commas between.
    #[arg(long, value_delimiter = ',')]
    scopes: Option<Vec<String>>,
    /// Whether `userinfo` is asked too.
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    userinfo: Option<bool>,
    /// The tenants whose people may come in (Entra), with commas between.
    #[arg(long, value_delimiter = ',')]
    tenants: Option<Vec<String>>,
    /// The hosted domains whose people may come in (Google), with commas between.
    #[arg(long, value_delimiter = ',')]
    hosted_domains: Option<Vec<String>>,
    /// The claim that says who somebody is, as a JSON pointer such as /sub.
    #[arg(long)]
    subject: Option<String>,
    /// The claim with the address.
    #[arg(long)]
    email: Option<String>,
    /// The claim that says whether the address is the person's own.
    #[arg(long)]
    email_verified: Option<String>,
    /// The claim with the name for people.
    #[arg(long)]
    display_name: Option<String>,
    /// The claim with the first name.
    #[arg(long)]
    given_name: Option<String>,
    /// The claim with the last name.
    #[arg(long)]
    family_name: Option<String>,
    /// The directory of the same provider; empty for none.
    #[arg(long)]
    directory: Option<String>,
    /// The claim that is compared with the directory's Users.
    #[arg(long)]
    matching_claim: Option<String>,
    /// The attribute that it is compared with.
    #[arg(long)]
    matching_attribute: Option<MatchedBy>,
    /// What becomes of somebody whom the workspace does not have.
    #[arg(long)]
    first_login: Option<First>,
    /// The teams of a new member, with commas between.
    #[arg(long, value_delimiter = ',')]
    newcomer_teams: Option<Vec<String>>,
    /// The roles of a new member, with commas between.
    #[arg(long, value_delimiter = ',')]
    newcomer_roles: Option<Vec<String>>,
    /// How long ago somebody may have proved who it is, in seconds; 0 for any time.
    #[arg(long)]
    max_age: Option<u64>,
    /// The authentication contexts of which a login must have met one, with commas between.
    #[arg(long, value_delimiter = ',')]
    acr_values: Option<Vec<String>>,
    /// What a login must have been made by, with commas between.
    #[arg(long, value_delimiter = ',')]
    amr: Option<Vec<String>>,
}

impl Said {
    fn edit(self) -> anyhow::Result<Edit> {
        let mut secret = None;
        if self.client_secret_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            secret = Some(text.trim_end_matches(['\r', '\n']).to_owned().into());
        }
        // One empty entry is what an empty list looks like here.
        let list = |given: Option<Vec<String>>| {
            given.map(|all| {
                all.into_iter()
                    .filter(|it| !it.is_empty())
                    .collect::<Vec<_>>()
            })
        };
        let set = |given| list(given).map(|all| all.into_iter().collect::<BTreeSet<_>>());
        Ok(Edit {
            kind: None,
            name: self.rename,
            issuer: self.issuer,
            authorization_endpoint: self.authorization_endpoint,
            token_endpoint: self.token_endpoint,
            userinfo_endpoint: self.userinfo_endpoint,
            client_id: self.client_id,
            client_secret: secret,
            client_auth: self.client_auth.map(|auth| match auth {
                Auth::Basic => ClientAuth::Basic,
                Auth::Post => ClientAuth::Post,
            }),
            scopes: list(self.scopes),
            userinfo: self.userinfo,
            tenants: set(self.tenants),
            hosted_domains: set(self.hosted_domains),
            subject: self.subject,
            email: self.email,
            email_verified: self.email_verified,
            display_name: self.display_name,
            given_name: self.given_name,
            family_name: self.family_name,
            directory: self.directory,
            matching_claim: self.matching_claim,
            matching_attribute: self.matching_attribute.map(|by| match by {
                MatchedBy::ExternalId => Attribute::ExternalId,
                MatchedBy::UserName => Attribute::UserName,
            }),
            first_login: self.first_login.map(|first| match first {
                First::Refuse => FirstLogin::Refuse,
                First::ProvedDomains => FirstLogin::ProvedDomains,
                First::Queue => FirstLogin::Queue,
            }),
            newcomer_teams: list(self.newcomer_teams),
            newcomer_roles: list(self.newcomer_roles),
            max_age: self.max_age,
            acr_values: list(self.acr_values),
            amr: set(self.amr),
        })
    }
}

impl Kind {
    fn kind(self) -> ConnectionKind {
        match self {
            Self::Okta => ConnectionKind::Okta,
            Self::Entra => ConnectionKind::Entra,
            Self::EntraMultiTenant => ConnectionKind::EntraMultiTenant,
            Self::Google => ConnectionKind::Google,
            Self::Ping => ConnectionKind::Ping,
            Self::Oidc => ConnectionKind::Oidc,
            Self::Oauth2 => ConnectionKind::Oauth2,
        }
    }
}

impl Named {
    async fn open(&self) -> anyhow::Result<(App, Workspace)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        Ok((app, workspace))
    }

    fn print(&self, shown: &Shown) -> anyhow::Result<()> {
        self.settings.print(shown, || text(&self.workspace, shown))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (origin, everything) = (Origin::cli(), Scopes::everything());
        let by = (&origin, &everything);
        match self {
            Self::Add { named, kind, set } => {
                let (app, workspace) = named.open().await?;
                let edit = Edit {
                    kind: Some(kind.kind()),
                    name: Some(named.connection.clone()),
                    ..set.edit()?
                };
                let made = connections::create(&app, by, workspace.id, &edit).await?;
                named.print(&made)
            }
            Self::List {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?;
                let all = connections::list(&app, workspace.id).await?;
                settings.print(&all, || {
                    let rows = all.iter().map(|it| {
                        let issuer = it.settings.issuer.clone().unwrap_or_default();
                        vec![it.name.clone(), state(it).to_owned(), issuer]
                    });
                    table(&["connection", "state", "issuer"], rows)
                })
            }
            Self::Show(named) => {
                let (app, workspace) = named.open().await?;
                let found = connections::find(&app, workspace.id, &named.connection).await?;
                named.print(&found)
            }
            Self::Set { named, set } => {
                let (app, workspace) = named.open().await?;
                let (name, edit) = (&named.connection, set.edit()?);
                let edited = connections::edit(&app, by, workspace.id, name, &edit).await?;
                named.print(&edited)
            }
            Self::Enable(named) => {
                let (app, workspace) = named.open().await?;
                let name = &named.connection;
                let enabled = connections::enable(&app, by, workspace.id, name).await?;
                named.print(&enabled)
            }
            Self::Disable(named) => {
                let (app, workspace) = named.open().await?;
                let name = &named.connection;
                let disabled = connections::disable(&app, by, workspace.id, name).await?;
                named.print(&disabled)
            }
            Self::Remove(named) => {
                let (app, workspace) = named.open().await?;
                let name = &named.connection;
                connections::remove(&app, by, workspace.id, name).await?;
                let value = json!({"connection": name, "removed": true});
                named
                    .settings
                    .print(&value, || format!("{name} is removed"))
            }
        }
    }
}

fn state(shown: &Shown) -> &'static str {
    match shown.state {
        State::Untried => "not tested as it is set",
        State::Proved => "tested, not switched on",
        State::Enabled => "switched on",
    }
}

fn text(workspace: &str, shown: &Shown) -> String {
    let (name, uri) = (&shown.name, &shown.redirect_uri);
    let next = match shown.state {
        State::Untried => {
            "next: name the redirect URI to the provider, then test the connection as an admin, on \
             the page /me"
                .to_owned()
        }
        State::Proved => format!(
            "next: gatehouse workspace connection enable --workspace {workspace} --connection \
             \"{name}\""
        ),
        State::Enabled => format!("people sign in at /w/{workspace}/sign-in"),
    };
    let trouble = shown.degraded_at.map_or_else(String::new, |since| {
        format!("\nits provider could not be relied on as it was last asked, since {since}")
    });
    format!(
        "{name} is {}{trouble}\nredirect URI: {uri}\n{next}",
        state(shown)
    )
}
