-- Users of a directory that were not admitted though nobody stood in their way.
CREATE INDEX users_refused ON users (workspace, directory, user_name_key)
    WHERE refused IS NOT NULL;
-- Somebody who was refused is found by what the IdP calls them.
CREATE INDEX conflicts_by_external_id ON conflicts (workspace, directory, external_id)
    WHERE external_id IS NOT NULL;

-- The orders in which members are listed beside that of their making. What was written before is
-- folded as far as the database can, until the member is written again.
ALTER TABLE members ADD COLUMN display_key TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE members SET display_key = lower(display_name) WHERE display_name IS NOT NULL;
CREATE INDEX members_by_display ON members (workspace, display_key, id);
CREATE INDEX members_by_address
    ON members (workspace, (COALESCE(email_key, left_email_key, '')), id);
