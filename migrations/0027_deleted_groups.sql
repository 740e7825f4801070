-- Groups that were deleted, as they were, for as long as they can be given back. Who was in them is in
-- the change log.
CREATE TABLE buried_groups (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    directory UUID NOT NULL,
    group_id UUID NOT NULL,
    display TEXT NOT NULL,
    display_key TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, group_id)
);
CREATE INDEX buried_groups_by_name ON buried_groups (workspace, directory, display_key, deleted_at);
CREATE INDEX buried_groups_by_time ON buried_groups (workspace, deleted_at);
