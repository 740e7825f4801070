-- Users that were deleted and never had a member: nobody knows them again, and the key under which
-- their values are sealed is destroyed after a while.
CREATE TABLE buried_users (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    directory UUID NOT NULL,
    user_id UUID NOT NULL,
    person UUID NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, user_id)
);
CREATE INDEX buried_users_by_time ON buried_users (workspace, deleted_at);
INSERT INTO buried_users (workspace, directory, user_id, person, deleted_at)
    SELECT c.workspace, c.directory, c.subject, c.person, c.at FROM changes c
    WHERE c.kind = 'user.deleted' AND c.person IS NOT NULL AND c.directory IS NOT NULL
    AND c.detail LIKE '%"member":null%'
    AND c.person NOT IN (SELECT m.person FROM members m)
    AND c.person NOT IN (SELECT u.person FROM users u)
    AND c.person NOT IN (SELECT f.person FROM former_users f)
    ON CONFLICT DO NOTHING;

-- Those who wait for their manager, in the order in which they are looked through.
DROP INDEX users_by_manager;
CREATE INDEX users_waiting ON users (workspace, directory, manager_key, id)
    WHERE manager_key IS NOT NULL;

-- When it was told that whoever made a workspace's key is out: the key stays.
ALTER TABLE api_keys ADD COLUMN alerted_at BIGINT;

-- What was done to the operators' keys, which belong to no workspace and are in no workspace's log.
CREATE TABLE operator_acts (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key UUID NOT NULL,
    -- JSON without the key's text.
    detail TEXT NOT NULL,
    request UUID NOT NULL,
    actor TEXT,
    at BIGINT NOT NULL
);
