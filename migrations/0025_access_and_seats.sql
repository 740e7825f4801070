-- Whether admins have access in every team that is enabled, or in those alone that they are in.
ALTER TABLE workspaces ADD COLUMN admins_in_all_teams BOOLEAN NOT NULL DEFAULT FALSE;
-- When a member gives its seat back: once it is suspended, or only once it is removed.
ALTER TABLE workspaces ADD COLUMN seat_release TEXT NOT NULL DEFAULT 'on_suspend'
    CHECK (seat_release IN ('on_suspend', 'on_remove'));
-- Since when a member who is suspended keeps the seat that it had.
ALTER TABLE members ADD COLUMN seat_kept_at BIGINT;
CREATE INDEX members_seat_kept ON members (workspace, id) WHERE seat_kept_at IS NOT NULL;
