-- The brake: past so many people who lose something within an hour through directories and rules,
-- what more of it comes waits. One row for each workspace, locked by whatever ends access.
CREATE TABLE brakes (
    workspace UUID NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    mode TEXT NOT NULL CHECK (mode IN ('hold', 'alert', 'off')),
    -- The larger of so many people and so many of a hundred active ones may lose something.
    people BIGINT NOT NULL CHECK (people > 0),
    percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
    hold_minutes BIGINT NOT NULL CHECK (hold_minutes > 0),
    -- How many were active when they were counted last.
    active BIGINT NOT NULL,
    counted_at BIGINT NOT NULL
);
INSERT INTO brakes (workspace, mode, people, percent, hold_minutes, active, counted_at)
    SELECT w.id, 'hold', 5, 10, 60, 0, 0 FROM workspaces w;

-- Who lost something last, and when: rows older than the window count no more.
CREATE TABLE brake_losses (
    workspace UUID NOT NULL,
    member UUID NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (workspace, member),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);
CREATE INDEX brake_losses_by_time ON brake_losses (workspace, at);

-- Since when something that the member is to lose waits, until when (null: until an admin says so),
-- and which status waits, if one does. What of its grants waits has `hold = 'brake'`.
ALTER TABLE members ADD COLUMN braked_at BIGINT;
ALTER TABLE members ADD COLUMN brake_until BIGINT;
ALTER TABLE members ADD COLUMN brake_wants TEXT CHECK (brake_wants IN ('suspended', 'removed'));
CREATE INDEX members_braked ON members (workspace, id) WHERE braked_at IS NOT NULL;
CREATE INDEX members_brake_due ON members (workspace, brake_until) WHERE brake_until IS NOT NULL;
