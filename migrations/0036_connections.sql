-- How people of a workspace sign in through a provider of its own.
CREATE TABLE connections (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN
        ('okta', 'entra', 'entra_multi_tenant', 'google', 'ping', 'oidc', 'oauth2')),
    -- What it was set to, as JSON.
    settings TEXT NOT NULL,
    -- The client's secret, sealed.
    secret BYTEA,
    version BIGINT NOT NULL,
    -- Sessions that began by it hang on it.
    access_epoch BIGINT NOT NULL,
    -- When a test login showed that it works as it is set now.
    proved_at BIGINT,
    -- Since when people sign in by it.
    enabled_at BIGINT,
    -- Since when its provider could not be asked, or published what does not hold.
    degraded_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (workspace, id),
    CHECK (enabled_at IS NULL OR (proved_at IS NOT NULL AND removed_at IS NULL))
);
CREATE UNIQUE INDEX connections_by_name ON connections (workspace, name_key)
    WHERE removed_at IS NULL;

-- Who is known by a connection: by what its provider says and nobody edits.
CREATE TABLE identities (
    workspace UUID NOT NULL,
    connection UUID NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    member UUID NOT NULL,
    -- The folded address, where the provider vouched for it: a source of a login name.
    address_key TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    -- When the person last signed in by it.
    used_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection, issuer, subject),
    FOREIGN KEY (workspace, connection) REFERENCES connections (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);
-- A member has one identity of a connection.
CREATE UNIQUE INDEX identities_by_member ON identities (workspace, member, connection);

-- Logins that have begun and not come back.
CREATE TABLE login_flows (
    id UUID NOT NULL PRIMARY KEY,
    -- The hash of `state`.
    hash BYTEA NOT NULL UNIQUE,
    -- The hash of what the browser keeps, which no other browser has.
    browser_hash BYTEA NOT NULL,
    workspace UUID NOT NULL,
    connection UUID NOT NULL,
    connection_version BIGINT NOT NULL,
    -- The session of whoever tests the connection; none where somebody signs in.
    tester UUID,
    -- Nonce, verifier and where to go afterwards, sealed.
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    FOREIGN KEY (workspace, connection) REFERENCES connections (workspace, id)
);
CREATE INDEX login_flows_by_end ON login_flows (expires_at);
CREATE INDEX login_flows_by_connection ON login_flows (workspace, connection);

-- By which connection a session opens a workspace; none where a link opened it.
ALTER TABLE session_members ADD COLUMN connection UUID;
ALTER TABLE session_members ADD COLUMN connection_epoch BIGINT;
-- The session at the provider, which may end this one.
ALTER TABLE session_members ADD COLUMN provider_session TEXT;

-- Logout tokens that were taken: none counts twice.
CREATE TABLE spent_tokens (
    workspace UUID NOT NULL,
    connection UUID NOT NULL,
    hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, connection, hash),
    FOREIGN KEY (workspace, connection) REFERENCES connections (workspace, id)
);
CREATE INDEX spent_tokens_by_end ON spent_tokens (expires_at);
