-- Who may be linked to whom, directories that go live and end, and domains that are proved.

-- What an admin allowed: the next create of that userName in that directory links to that member.
CREATE TABLE adoptions (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    user_name_key TEXT COLLATE "C" NOT NULL,
    member UUID NOT NULL,
    actor TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, user_name_key),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);

-- A grant that ended and begins again: once the person proves to be the one who was meant, or once
-- what ended it is undone.
ALTER TABLE grants ADD COLUMN awaiting TEXT CHECK (awaiting IN ('proof', 'undo'));
CREATE INDEX grants_awaiting ON grants (workspace, member) WHERE awaiting IS NOT NULL;

-- Since when a directory is switched off; its facts are there until the end can be undone no longer.
ALTER TABLE directories ADD COLUMN ended_at BIGINT;
-- The member that a User was linked to before its directory ended.
ALTER TABLE users ADD COLUMN former_member UUID;
CREATE INDEX users_by_former_member ON users (workspace, former_member)
    WHERE former_member IS NOT NULL;

-- The person whom this one turned out to be: who destroys that key destroys this one too.
ALTER TABLE person_keys ADD COLUMN joined UUID;
CREATE INDEX person_keys_joined ON person_keys (workspace, joined) WHERE joined IS NOT NULL;

-- What is worked off for a whole directory, in batches.
CREATE TABLE directory_runs (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    directory UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('live', 'end', 'undo_end', 'purge')),
    state TEXT NOT NULL CHECK (state IN ('applying', 'done')),
    -- The last user that was worked off, in id order.
    position UUID,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL,
    -- Users for whom it could not be done.
    skipped BIGINT NOT NULL,
    -- What becomes of the members of a directory that ends.
    outcome TEXT CHECK (outcome IN ('keep', 'suspend', 'remove')),
    keep_grants BOOLEAN NOT NULL,
    was_live BOOLEAN NOT NULL,
    -- Until when an end can be undone.
    undo_until BIGINT,
    undone_at BIGINT,
    request UUID NOT NULL,
    actor TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
CREATE INDEX directory_runs_open ON directory_runs (workspace, created_at) WHERE state <> 'done';
CREATE INDEX directory_runs_undoable ON directory_runs (workspace, undo_until)
    WHERE undo_until IS NOT NULL;

-- Domains that a workspace says are its own. One holder over all workspaces.
CREATE TABLE domains (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    -- In the form of the DNS: A-labels, lower case.
    name TEXT COLLATE "C" NOT NULL,
    challenge TEXT NOT NULL,
    -- How it was proved; attested by an operator it is not checked again.
    proof TEXT CHECK (proof IN ('dns', 'https', 'operator')),
    proved_at BIGINT,
    checked_at BIGINT,
    -- Since when checks of a proved domain fail.
    failing_at BIGINT,
    -- Whether a directory's User of that domain links to whom the workspace has.
    adoption BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name),
    CHECK ((proved_at IS NULL) = (proof IS NULL)),
    CHECK (failing_at IS NULL OR proved_at IS NOT NULL)
);
CREATE UNIQUE INDEX domains_held ON domains (name) WHERE proved_at IS NOT NULL;
