-- Ways in of people: links that open once, and sessions. Both cross workspaces, and are found by the
-- hash of what the browser shows.

CREATE TABLE one_time_links (
    id UUID NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    -- Whose session it opens; without both, an operator's.
    workspace UUID REFERENCES workspaces (id),
    member UUID,
    -- What it hangs on: it opens nothing once one of them has risen.
    workspace_epoch BIGINT,
    member_epoch BIGINT,
    deployment_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id),
    CHECK ((workspace IS NULL) = (member IS NULL)),
    CHECK ((workspace IS NULL) = (workspace_epoch IS NULL)),
    CHECK ((workspace IS NULL) = (member_epoch IS NULL))
);
CREATE INDEX one_time_links_by_end ON one_time_links (expires_at);
CREATE INDEX one_time_links_by_member ON one_time_links (workspace, member);

CREATE TABLE sessions (
    id UUID NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    operator BOOLEAN NOT NULL,
    deployment_epoch BIGINT NOT NULL,
    -- What the browser says it is, shortened.
    browser TEXT,
    created_at BIGINT NOT NULL,
    -- To the minute; it ends when it was not seen for a while, and at `expires_at` in any case.
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- The workspaces that a session opens, each with the member it opens it as.
CREATE TABLE session_members (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    session UUID NOT NULL REFERENCES sessions (id),
    member UUID NOT NULL,
    workspace_epoch BIGINT NOT NULL,
    member_epoch BIGINT NOT NULL,
    -- When the person last proved who it is, and how (RFC 8176).
    auth_time BIGINT NOT NULL,
    amr TEXT NOT NULL,
    PRIMARY KEY (workspace, session),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);
CREATE INDEX session_members_by_session ON session_members (session);
CREATE INDEX session_members_by_member ON session_members (workspace, member);
