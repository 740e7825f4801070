-- Runs over a directory wait and are undone. What kinds there are is part of the table, which is
-- therefore made anew.
CREATE TABLE directory_runs_new (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    directory UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('live', 'undo_live', 'end', 'undo_end', 'purge')),
    state TEXT NOT NULL CHECK (state IN ('applying', 'done')),
    -- The last user that was worked off, in id order.
    position UUID,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL,
    -- Users for whom it could not be done.
    skipped BIGINT NOT NULL,
    -- The first members among them, where they are members: a JSON list of ids.
    left_out TEXT,
    -- What becomes of the members of a directory that ends.
    outcome TEXT CHECK (outcome IN ('keep', 'suspend', 'remove')),
    keep_grants BOOLEAN NOT NULL,
    was_live BOOLEAN NOT NULL,
    -- Until when it can be undone.
    undo_until BIGINT,
    undone_at BIGINT,
    -- The run that it undoes.
    undoes UUID,
    -- Since when it waits for somebody to let it go on.
    paused_at BIGINT,
    request UUID NOT NULL,
    actor TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
INSERT INTO directory_runs_new (workspace, id, directory, kind, state, position, total, processed,
    skipped, outcome, keep_grants, was_live, undo_until, undone_at, request, actor, created_at,
    finished_at)
    SELECT workspace, id, directory, kind, state, position, total, processed, skipped, outcome,
    keep_grants, was_live, undo_until, undone_at, request, actor, created_at, finished_at
    FROM directory_runs;
DROP TABLE directory_runs;
ALTER TABLE directory_runs_new RENAME TO directory_runs;
CREATE INDEX directory_runs_open ON directory_runs (workspace, created_at) WHERE state <> 'done';
CREATE INDEX directory_runs_undoable ON directory_runs (workspace, undo_until)
    WHERE undo_until IS NOT NULL;

-- A run that fails is tried again after a while, and says why.
ALTER TABLE runs ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN next_at BIGINT;
ALTER TABLE runs ADD COLUMN last_error TEXT;
