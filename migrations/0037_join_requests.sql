-- People who signed in for the first time and ask to be let in: requests, not members.
CREATE TABLE join_requests (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    connection UUID NOT NULL,
    -- Who it is at the provider.
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    -- What the provider says of the person, sealed; none once it was declined.
    sealed BYTEA,
    created_at BIGINT NOT NULL,
    -- When the person last asked.
    asked_at BIGINT NOT NULL,
    declined_at BIGINT,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, connection, issuer, subject),
    FOREIGN KEY (workspace, connection) REFERENCES connections (workspace, id),
    CHECK ((sealed IS NULL) = (declined_at IS NOT NULL))
);
CREATE INDEX join_requests_by_end ON join_requests (asked_at);
