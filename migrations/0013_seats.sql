-- Seats: how many members may be in at a time. Without a limit nothing is counted and no row is here.
ALTER TABLE workspaces ADD COLUMN seat_limit BIGINT CHECK (seat_limit >= 3);
ALTER TABLE workspaces ADD COLUMN seat_policy TEXT NOT NULL DEFAULT 'refuse'
    CHECK (seat_policy IN ('refuse', 'hold'));
-- How many beyond the limit an operator lets in for the time being.
ALTER TABLE workspaces ADD COLUMN seat_grace BIGINT NOT NULL DEFAULT 0 CHECK (seat_grace >= 0);
-- Whom to ask for more.
ALTER TABLE workspaces ADD COLUMN seat_contact TEXT;
-- Since when an active member waits for a seat; without one it has no rights.
ALTER TABLE members ADD COLUMN waiting_at BIGINT;
CREATE INDEX members_waiting ON members (workspace, waiting_at, id) WHERE waiting_at IS NOT NULL;

CREATE TABLE seats (
    workspace UUID NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    taken BIGINT NOT NULL
);
