-- Users of a directory that were not admitted though nobody stood in their way.
CREATE INDEX users_refused ON users (workspace, directory, user_name_key)
    WHERE refused IS NOT NULL;
-- Somebody who was refused is found by what the IdP calls them.
CREATE INDEX conflicts_by_external_id ON conflicts (workspace, directory, external_id)
    WHERE external_id IS NOT NULL;
