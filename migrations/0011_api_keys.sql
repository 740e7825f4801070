-- Keys of the management API: of a workspace, of a person in one, or, without a workspace, of the
-- operators. Found by their hash, which is of 256 random bits and so names one row of all.
CREATE TABLE api_keys (
    workspace UUID REFERENCES workspaces (id),
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    -- A list of permissions, as JSON.
    scopes TEXT NOT NULL,
    -- Whose own key it is, and the member's access epoch on which it hangs.
    member UUID,
    member_epoch BIGINT,
    -- Who made it; for operators' keys, which no workspace's log tells of, this is the record.
    actor TEXT,
    revoked_by TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_used_at BIGINT,
    -- Since when it opens nothing until it is released: a restore brought it back.
    held_at BIGINT,
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id),
    CHECK ((member IS NULL) = (member_epoch IS NULL)),
    CHECK (member IS NULL OR workspace IS NOT NULL)
);
CREATE INDEX api_keys_by_workspace ON api_keys (workspace, id);
