-- The Users that a member had and has no longer: what was done to them is a part of its history.
CREATE TABLE former_users (
    workspace UUID NOT NULL,
    member UUID NOT NULL,
    user_id UUID NOT NULL,
    directory UUID NOT NULL,
    -- The key under which that User's values were sealed.
    person UUID NOT NULL,
    PRIMARY KEY (workspace, member, user_id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);
INSERT INTO former_users (workspace, member, user_id, directory, person)
    SELECT t.workspace, t.member, t.user_id, t.directory, m.person FROM tombstones t
    JOIN members m ON m.workspace = t.workspace AND m.id = t.member;
CREATE INDEX tombstones_by_member ON tombstones (workspace, member);
CREATE INDEX tombstones_by_time ON tombstones (workspace, deleted_at);
CREATE INDEX conflicts_by_member ON conflicts (workspace, member);
CREATE INDEX conflicts_by_time ON conflicts (workspace, last_at);
CREATE INDEX api_keys_by_member ON api_keys (workspace, member) WHERE member IS NOT NULL;

-- Since when nothing personal is left of a removed member.
ALTER TABLE members ADD COLUMN erased_at BIGINT;
CREATE INDEX members_left ON members (workspace, removed_at)
    WHERE removed_at IS NOT NULL AND erased_at IS NULL;

-- Who was erased. It refers to no member: a restore of what was there before keeps it, and erases
-- again.
CREATE TABLE erasures (
    workspace UUID NOT NULL,
    member UUID NOT NULL,
    at BIGINT NOT NULL,
    -- When the request log was looked through once more; until then a line may have come late.
    log_at BIGINT,
    PRIMARY KEY (workspace, member)
);
CREATE INDEX erasures_open ON erasures (at) WHERE log_at IS NULL;

-- A deleted workspace opens nothing; its rows go after a time of grace, this one stays, so that no
-- slug is given out again.
ALTER TABLE workspaces ADD COLUMN deleted_at BIGINT;
-- The status to which it comes back.
ALTER TABLE workspaces ADD COLUMN deleted_from TEXT;
-- When its rows began to go, from where there is no way back, and when the last one was gone.
ALTER TABLE workspaces ADD COLUMN purging_at BIGINT;
ALTER TABLE workspaces ADD COLUMN purged_at BIGINT;
