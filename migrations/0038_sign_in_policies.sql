-- How people may sign in to a workspace, and for how long; without a row, as it is by default.
CREATE TABLE sign_in_policies (
    workspace UUID NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    -- Whether people come in through a connection alone.
    sso_enforced BOOLEAN NOT NULL,
    idle_seconds BIGINT NOT NULL,
    absolute_seconds BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
