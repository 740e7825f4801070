-- Imports of members: what was asked for, and what became of each row. They are not kept for long.
CREATE TABLE imports (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    -- Whether it only tells what would become of each row.
    preview BOOLEAN NOT NULL,
    -- Whether those who had left are brought back.
    revive BOOLEAN NOT NULL,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL,
    -- Who asked for it, by which request; the key must still be good when a row is worked off.
    actor TEXT,
    credential UUID,
    request UUID NOT NULL,
    method TEXT,
    path TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX imports_open ON imports (created_at, id) WHERE finished_at IS NULL;

CREATE TABLE import_rows (
    workspace UUID NOT NULL,
    import UUID NOT NULL,
    -- Which row of the file it is, from 1 on.
    number BIGINT NOT NULL,
    -- When it is worked off: a manager comes before those who report to it.
    turn BIGINT NOT NULL,
    -- What it says, sealed with a key of the workspace; gone once it is worked off.
    input BYTEA,
    outcome TEXT CHECK (outcome IN
        ('created', 'merged', 'revived', 'unchanged', 'left', 'refused')),
    member UUID,
    -- What was wrong: with which column, and what was expected.
    field TEXT,
    problem TEXT,
    -- Columns that a directory keeps, with commas between.
    kept TEXT,
    PRIMARY KEY (workspace, import, number),
    FOREIGN KEY (workspace, import) REFERENCES imports (workspace, id)
);
CREATE INDEX import_rows_waiting ON import_rows (workspace, import, turn) WHERE input IS NOT NULL;

-- Whom a User reports to, folded, while no User of its directory is found by that.
ALTER TABLE users ADD COLUMN manager_key TEXT COLLATE "C";
CREATE INDEX users_by_manager ON users (workspace, directory, manager_key)
    WHERE manager_key IS NOT NULL;
