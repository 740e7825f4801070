-- What admins keep of a member beside what its directory says, and who shut it out.
ALTER TABLE members ADD COLUMN user_id TEXT;
ALTER TABLE members ADD COLUMN user_id_key TEXT COLLATE "C";
ALTER TABLE members ADD COLUMN phone TEXT;
ALTER TABLE members ADD COLUMN line TEXT CHECK (line IN ('numberless', 'numbered'));
ALTER TABLE members ADD COLUMN line_number TEXT;
ALTER TABLE members ADD COLUMN language TEXT;
ALTER TABLE members ADD COLUMN time_zone TEXT;
ALTER TABLE members ADD COLUMN manager UUID;
ALTER TABLE members ADD COLUMN picture TEXT;
-- The fields that an admin wrote, by name with commas between: a directory that says nothing of one
-- leaves it as it is.
ALTER TABLE members ADD COLUMN manual TEXT NOT NULL DEFAULT '';
-- Since when an admin shuts the member out, whatever its directory says.
ALTER TABLE members ADD COLUMN barred_at BIGINT;
-- An admin whom no directory and no other admin takes away.
ALTER TABLE members ADD COLUMN protected BOOLEAN NOT NULL DEFAULT FALSE;
-- The address that a removed member had, by which an invite finds it again.
ALTER TABLE members ADD COLUMN left_email_key TEXT COLLATE "C";
CREATE UNIQUE INDEX members_by_user_id ON members (workspace, user_id_key)
    WHERE user_id_key IS NOT NULL;
CREATE INDEX members_by_manager ON members (workspace, manager) WHERE manager IS NOT NULL;
CREATE INDEX members_by_left_email ON members (workspace, left_email_key)
    WHERE left_email_key IS NOT NULL;

ALTER TABLE teams ADD COLUMN archived_at BIGINT;
ALTER TABLE teams ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Permissions that were granted singly, so that a grant can point at one.
CREATE TABLE permissions (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name)
);

CREATE INDEX grants_kept ON grants (workspace, member) WHERE hold IS NOT NULL AND to_at IS NULL;
CREATE INDEX grants_by_target ON grants (workspace, kind, target) WHERE to_at IS NULL;
