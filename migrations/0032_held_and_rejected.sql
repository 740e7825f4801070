-- Of how many members the brake held what they were to lose by a run, when it came to them.
ALTER TABLE runs ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
-- Which run wrote a version of a rule.
CREATE INDEX runs_by_rule ON runs (workspace, rule, rule_version);

-- The status that a directory wants of somebody and whose hold an admin rejected: what it says again
-- changes nothing, until it says something else.
ALTER TABLE members ADD COLUMN brake_rejected TEXT
    CHECK (brake_rejected IN ('suspended', 'removed'));
-- The cause of a rule whose end an admin rejected for somebody, who has by this one what that gave.
ALTER TABLE causes ADD COLUMN keeps UUID;

-- What a directory's going live would come to is kept as what comes of a change of rules. What kinds
-- there are is part of the table, which is therefore made anew.
CREATE TABLE plans_new (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('add', 'change', 'end', 'delete_group', 'live')),
    rule UUID,
    -- The version that it goes out from; null for a new rule.
    rule_version BIGINT,
    -- The rule as it is to be, as JSON; null where it is to end.
    body TEXT,
    -- Counts and a sample, as JSON.
    effects TEXT NOT NULL,
    -- Who would be concerned, with a digest of how: 32 bytes each, in the order of the ids.
    digests BYTEA NOT NULL,
    hash TEXT NOT NULL,
    actor TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    applied_at BIGINT,
    run UUID,
    PRIMARY KEY (workspace, id)
);
INSERT INTO plans_new (workspace, id, action, rule, rule_version, body, effects, digests, hash, actor,
    created_at, expires_at, applied_at, run)
    SELECT workspace, id, action, rule, rule_version, body, effects, digests, hash, actor, created_at,
    expires_at, applied_at, run FROM plans;
DROP TABLE plans;
ALTER TABLE plans_new RENAME TO plans;
CREATE INDEX plans_by_expiry ON plans (workspace, expires_at);
CREATE INDEX plans_by_hash ON plans (workspace, hash);
