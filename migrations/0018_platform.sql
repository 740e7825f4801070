-- Requests that a client may send again under a key of its own, for a day. The workspace is that of
-- the API key, nil for one of the operators; the key itself is kept as a hash.
CREATE TABLE idempotency_keys (
    workspace UUID NOT NULL,
    credential UUID NOT NULL,
    key_hash BYTEA NOT NULL,
    -- What of the request must be the same when it comes again.
    fingerprint BYTEA NOT NULL,
    request UUID NOT NULL,
    begun_at BIGINT NOT NULL,
    -- Whether something that the request did is committed; said in that very transaction.
    is_done BOOLEAN NOT NULL DEFAULT FALSE,
    -- The answer, sealed; none while the request is in flight, or where it was not to be kept.
    answer BYTEA,
    PRIMARY KEY (workspace, credential, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (begun_at);

-- What members are searched by. A row that an older version wrote has no key yet.
ALTER TABLE members ADD COLUMN user_name_key TEXT COLLATE "C";
CREATE INDEX members_by_user_name ON members (workspace, user_name_key)
    WHERE user_name_key IS NOT NULL;
CREATE INDEX members_without_key ON members (workspace, id)
    WHERE user_name_key IS NULL AND user_name IS NOT NULL;
CREATE INDEX members_by_status ON members (workspace, status, id);
CREATE INDEX grants_by_target_member ON grants (workspace, kind, target, member)
    WHERE to_at IS NULL;
