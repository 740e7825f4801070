-- Rules that can be changed, put in order, limited in time and tried before they apply.
ALTER TABLE rules ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE rules ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
-- Whether rules of lower priority are not looked at for whom this one holds.
ALTER TABLE rules ADD COLUMN stop BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE rules ADD COLUMN from_at BIGINT;
ALTER TABLE rules ADD COLUMN until_at BIGINT;
-- Where it stands between the two, and the instant at which it has to be moved on.
ALTER TABLE rules ADD COLUMN phase TEXT NOT NULL DEFAULT 'open'
    CHECK (phase IN ('ahead', 'open', 'over'));
ALTER TABLE rules ADD COLUMN due_at BIGINT;
ALTER TABLE rules ADD COLUMN line TEXT CHECK (line IN ('numberless', 'numbered'));
ALTER TABLE rules ADD COLUMN language TEXT;
-- What its maker expects of it, as JSON; held against it whenever it is written.
ALTER TABLE rules ADD COLUMN examples TEXT NOT NULL DEFAULT '[]';
CREATE INDEX rules_due ON rules (workspace, due_at) WHERE due_at IS NOT NULL;

-- A rule gives single permissions as well: the same table with a wider check.
ALTER TABLE rule_grants RENAME TO rule_grants_before;
CREATE TABLE rule_grants (
    workspace UUID NOT NULL,
    rule UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('team', 'role', 'permission')),
    target UUID NOT NULL,
    PRIMARY KEY (workspace, rule, kind, target),
    FOREIGN KEY (workspace, rule) REFERENCES rules (workspace, id)
);
INSERT INTO rule_grants (workspace, rule, kind, target)
    SELECT workspace, rule, kind, target FROM rule_grants_before;
DROP TABLE rule_grants_before;

-- The fields of a member that rules filled in, names with commas between.
ALTER TABLE members ADD COLUMN ruled TEXT NOT NULL DEFAULT '';

-- Runs that change a rule know it before and after, so that they can be undone.
ALTER TABLE runs ADD COLUMN rule UUID;
ALTER TABLE runs ADD COLUMN rule_version BIGINT;
-- The cause of the version before, which ends with the run.
ALTER TABLE runs ADD COLUMN old_cause UUID;
ALTER TABLE runs ADD COLUMN before_body TEXT;
ALTER TABLE runs ADD COLUMN after_body TEXT;
-- How many members got other rights by it.
ALTER TABLE runs ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN paused_at BIGINT;
ALTER TABLE runs ADD COLUMN undoes UUID;
ALTER TABLE runs ADD COLUMN undone_by UUID;
-- Who has a right, a page at a time.
DROP INDEX grants_by_target;
CREATE INDEX grants_by_target ON grants (workspace, kind, target, member) WHERE to_at IS NULL;
CREATE INDEX grants_by_run ON grants (workspace, run, member) WHERE run IS NOT NULL;

-- What would become of a change of the rules, for a day. Members stand here by their ids alone.
CREATE TABLE plans (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('add', 'change', 'end', 'delete_group')),
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
CREATE INDEX plans_by_expiry ON plans (workspace, expires_at);
