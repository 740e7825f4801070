-- What was exchanged with IdPs. On PostgreSQL a table like the others; on SQLite it lies in a file of
-- its own, which is why it refers to no other table. Nothing personal stands in a column: that is
-- sealed with a key of the workspace.
CREATE TABLE request_log (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    -- The request's id, as X-Request-Id told it.
    id UUID NOT NULL,
    -- When it was answered.
    at BIGINT NOT NULL,
    credential UUID NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    resource UUID,
    status BIGINT NOT NULL,
    scim_type TEXT,
    micros BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    user_agent TEXT,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (workspace, directory, id)
);
CREATE INDEX request_log_by_time ON request_log (workspace, directory, at, id);
