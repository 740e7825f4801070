-- A rule may look at members' own profiles instead of a directory's users, and a run go through members:
-- neither has a directory then. That a column may be null is part of the table, which is therefore made
-- anew, and with the rules those tables that refer to them.
CREATE TABLE rules_new (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    -- Null where the rule looks at members' profiles.
    directory UUID,
    version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'planned', 'live', 'broken')),
    cause UUID NOT NULL,
    -- A filter over the user's own attributes, or the member's; `when` is a word of SQL.
    when_text TEXT,
    -- The run that brings a planned rule to life.
    run UUID,
    created_at BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    priority BIGINT NOT NULL DEFAULT 0,
    -- Whether rules of lower priority are not looked at for whom this one holds.
    stop BOOLEAN NOT NULL DEFAULT FALSE,
    from_at BIGINT,
    until_at BIGINT,
    -- Where it stands between the two, and the instant at which it has to be moved on.
    phase TEXT NOT NULL DEFAULT 'open' CHECK (phase IN ('ahead', 'open', 'over')),
    due_at BIGINT,
    line TEXT CHECK (line IN ('numberless', 'numbered')),
    language TEXT,
    -- What its maker expects of it, as JSON; held against it whenever it is written.
    examples TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (workspace, id),
    CHECK (directory IS NOT NULL OR when_text IS NOT NULL),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, cause) REFERENCES causes (workspace, id)
);
INSERT INTO rules_new (workspace, id, directory, version, state, cause, when_text, run, created_at,
    enabled, priority, stop, from_at, until_at, phase, due_at, line, language, examples)
    SELECT workspace, id, directory, version, state, cause, when_text, run, created_at, enabled,
    priority, stop, from_at, until_at, phase, due_at, line, language, examples FROM rules;

CREATE TABLE rule_groups_new (
    workspace UUID NOT NULL,
    rule UUID NOT NULL,
    position BIGINT NOT NULL,
    directory UUID NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    group_id UUID,
    PRIMARY KEY (workspace, rule, position),
    FOREIGN KEY (workspace, rule) REFERENCES rules_new (workspace, id)
);
INSERT INTO rule_groups_new (workspace, rule, position, directory, name, name_key, group_id)
    SELECT workspace, rule, position, directory, name, name_key, group_id FROM rule_groups;
DROP TABLE rule_groups;

CREATE TABLE rule_grants_new (
    workspace UUID NOT NULL,
    rule UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('team', 'role', 'permission')),
    target UUID NOT NULL,
    PRIMARY KEY (workspace, rule, kind, target),
    FOREIGN KEY (workspace, rule) REFERENCES rules_new (workspace, id)
);
INSERT INTO rule_grants_new (workspace, rule, kind, target)
    SELECT workspace, rule, kind, target FROM rule_grants;
DROP TABLE rule_grants;

DROP TABLE rules;
ALTER TABLE rules_new RENAME TO rules;
ALTER TABLE rule_groups_new RENAME TO rule_groups;
ALTER TABLE rule_grants_new RENAME TO rule_grants;
CREATE INDEX rules_due ON rules (workspace, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX rule_groups_by_group ON rule_groups (workspace, group_id);
CREATE INDEX rule_groups_pending ON rule_groups (workspace, directory, name_key)
    WHERE group_id IS NULL;

CREATE TABLE runs_new (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('rule', 'group_delete', 'nesting')),
    state TEXT NOT NULL CHECK (state IN ('planned', 'applying', 'done')),
    -- The directory whose users it goes through; null where it goes through members.
    directory UUID,
    -- The group whose users it goes through; null for all users of the directory.
    group_id UUID,
    -- The last user or member that was worked off, in id order.
    position UUID,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL,
    request UUID NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    rule UUID,
    rule_version BIGINT,
    -- The cause of the version before, which ends with the run.
    old_cause UUID,
    before_body TEXT,
    after_body TEXT,
    -- How many members got other rights by it.
    changed BIGINT NOT NULL DEFAULT 0,
    paused_at BIGINT,
    undoes UUID,
    undone_by UUID,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT,
    last_error TEXT,
    -- Of how many members the brake held what they were to lose by it, when it came to them.
    held BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
INSERT INTO runs_new (workspace, id, kind, state, directory, group_id, position, total, processed,
    request, created_at, finished_at, rule, rule_version, old_cause, before_body, after_body, changed,
    paused_at, undoes, undone_by, attempts, next_at, last_error, held)
    SELECT workspace, id, kind, state, directory, group_id, position, total, processed, request,
    created_at, finished_at, rule, rule_version, old_cause, before_body, after_body, changed,
    paused_at, undoes, undone_by, attempts, next_at, last_error, held FROM runs;
DROP TABLE runs;
ALTER TABLE runs_new RENAME TO runs;
CREATE INDEX runs_open ON runs (workspace, created_at) WHERE state <> 'done';
CREATE INDEX runs_by_rule ON runs (workspace, rule, rule_version);

-- Since when somebody who was expected is in by an address that nobody proved: what admins wrote of the
-- expected person gives this one nothing before that one is adopted or proves the mailbox.
ALTER TABLE members ADD COLUMN unproved_at BIGINT;
UPDATE members SET unproved_at = updated_at WHERE EXISTS (SELECT g.id FROM grants g
    WHERE g.workspace = members.workspace AND g.member = members.id AND g.awaiting = 'proof');
