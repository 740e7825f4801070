-- One text for both engines: PostgreSQL's words, which SQLite takes as affinities.
-- Every row that belongs to a workspace carries its id first, in the key and in every index.

CREATE TABLE deployment (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    public_url TEXT,
    key_check BYTEA NOT NULL,
    access_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE leases (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder UUID NOT NULL,
    until BIGINT NOT NULL
);

CREATE TABLE workspaces (
    id UUID NOT NULL PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    access_epoch BIGINT NOT NULL,
    -- Names the present set of rules; caches are keyed by it. Random, so that a version that was
    -- rolled back never comes again with another meaning.
    rules_tag UUID NOT NULL,
    rules_version BIGINT NOT NULL,
    -- Members settled under an older version than this are settled again by the sweeper.
    rules_floor BIGINT NOT NULL,
    rules_swept BIGINT NOT NULL,
    -- Names the present set of registered schemas; none while there are none.
    schemas_tag UUID,
    -- How many live rules look at attributes of users: without one, a write of a user settles nothing.
    rules_when BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Schemas and resource types that a workspace registered, in their canonical form.
CREATE TABLE schemas (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    -- The id of a schema or the name of a resource type, in lower case.
    key TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('schema', 'resource_type')),
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, key)
);

-- When the next request of a workspace would be due if they came evenly.
CREATE TABLE quotas (
    workspace UUID NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    due_at BIGINT NOT NULL
);

CREATE TABLE person_keys (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE members (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'invited', 'active', 'suspended', 'removed')),
    source TEXT NOT NULL CHECK (source IN ('directory', 'login', 'invite', 'import', 'api')),
    person UUID NOT NULL,
    user_name TEXT,
    display_name TEXT,
    given_name TEXT,
    family_name TEXT,
    email TEXT,
    email_key TEXT COLLATE "C",
    access_epoch BIGINT NOT NULL,
    rules_version BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    suspended_at BIGINT,
    removed_at BIGINT,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX members_by_email ON members (workspace, email_key);
CREATE INDEX members_by_rules ON members (workspace, rules_version);

-- The one index of names that open a login: the userName of each live linked resource and each
-- proved address. A key belongs to one member of a workspace.
CREATE TABLE login_names (
    workspace UUID NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    member UUID NOT NULL,
    sources BIGINT NOT NULL CHECK (sources > 0),
    PRIMARY KEY (workspace, key),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);

CREATE TABLE teams (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name_key)
);

CREATE TABLE roles (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    built_in BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name_key)
);

CREATE TABLE role_permissions (
    workspace UUID NOT NULL,
    role UUID NOT NULL,
    permission TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, role, permission),
    FOREIGN KEY (workspace, role) REFERENCES roles (workspace, id)
);

CREATE TABLE directories (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('okta', 'entra', 'generic')),
    mode TEXT NOT NULL CHECK (mode IN ('collect', 'live')),
    strict BOOLEAN NOT NULL,
    restore_inactive BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name_key)
);

CREATE TABLE credentials (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    directory UUID NOT NULL,
    hash BYTEA NOT NULL,
    read_only BOOLEAN NOT NULL,
    -- The one endpoint that it opens; none for all.
    only_endpoint TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, hash),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);

-- Totals of a directory, spread over slots so that writers do not queue for one row.
CREATE TABLE counters (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('users', 'groups')),
    slot BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, kind, slot),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);

CREATE TABLE users (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    id UUID NOT NULL,
    user_name_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    display_key TEXT COLLATE "C",
    display TEXT,
    active BOOLEAN NOT NULL,
    document TEXT NOT NULL,
    member UUID,
    person UUID NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, id),
    UNIQUE (workspace, directory, user_name_key),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id),
    FOREIGN KEY (workspace, person) REFERENCES person_keys (workspace, id)
);
CREATE INDEX users_by_external_id ON users (workspace, directory, external_id);
CREATE INDEX users_by_display ON users (workspace, directory, display_key);
CREATE INDEX users_by_created ON users (workspace, directory, created_at);
CREATE INDEX users_by_updated ON users (workspace, directory, updated_at);
CREATE INDEX users_by_member ON users (workspace, member);

CREATE TABLE user_emails (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    user_id UUID NOT NULL,
    value_key TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, directory, user_id, value_key),
    FOREIGN KEY (workspace, directory, user_id) REFERENCES users (workspace, directory, id)
        ON DELETE CASCADE
);
CREATE INDEX user_emails_by_value ON user_emails (workspace, directory, value_key, user_id);

-- `groups` is a word of SQL.
CREATE TABLE user_groups (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    id UUID NOT NULL,
    display TEXT NOT NULL,
    display_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Set while a run takes a large group apart; nobody sees it any more.
    deleted_at BIGINT,
    PRIMARY KEY (workspace, directory, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
CREATE UNIQUE INDEX user_groups_by_display ON user_groups (workspace, directory, display_key)
    WHERE deleted_at IS NULL;
CREATE INDEX user_groups_by_external_id ON user_groups (workspace, directory, external_id);
CREATE INDEX user_groups_by_created ON user_groups (workspace, directory, created_at);
CREATE INDEX user_groups_by_updated ON user_groups (workspace, directory, updated_at);

CREATE TABLE memberships (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    group_id UUID NOT NULL,
    user_id UUID NOT NULL,
    PRIMARY KEY (workspace, directory, group_id, user_id),
    FOREIGN KEY (workspace, directory, group_id) REFERENCES user_groups (workspace, directory, id),
    FOREIGN KEY (workspace, directory, user_id) REFERENCES users (workspace, directory, id)
);
CREATE INDEX memberships_by_user ON memberships (workspace, directory, user_id, group_id);

-- Groups within groups. Only live groups are in here: a group that is hidden leaves it at once, so
-- that it passes nothing on. Written under the lock of the workspace alone.
CREATE TABLE nestings (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    group_id UUID NOT NULL,
    member_id UUID NOT NULL,
    PRIMARY KEY (workspace, directory, group_id, member_id),
    FOREIGN KEY (workspace, directory, group_id) REFERENCES user_groups (workspace, directory, id),
    FOREIGN KEY (workspace, directory, member_id) REFERENCES user_groups (workspace, directory, id),
    CHECK (group_id <> member_id)
);
CREATE INDEX nestings_by_member ON nestings (workspace, directory, member_id, group_id);

-- One row for each delta of a group's members since its base version was written.
CREATE TABLE group_touches (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    group_id UUID NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, group_id, id),
    FOREIGN KEY (workspace, directory, group_id) REFERENCES user_groups (workspace, directory, id)
        ON DELETE CASCADE
);

-- Resources of types that a workspace registered.
CREATE TABLE resources (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    -- The name of the resource type, in lower case.
    kind TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    external_id TEXT COLLATE "C",
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, kind, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
CREATE INDEX resources_by_external_id ON resources (workspace, directory, kind, external_id);

-- Values of registered attributes that are unique in a directory.
CREATE TABLE unique_values (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    value_key TEXT COLLATE "C" NOT NULL,
    resource UUID NOT NULL,
    PRIMARY KEY (workspace, directory, kind, attribute, value_key),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
CREATE INDEX unique_values_by_resource ON unique_values (workspace, directory, resource);

CREATE TABLE tombstones (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    user_id UUID NOT NULL,
    external_id TEXT COLLATE "C",
    member UUID NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, user_id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);
CREATE INDEX tombstones_by_external_id ON tombstones (workspace, directory, external_id);

CREATE TABLE conflicts (
    workspace UUID NOT NULL,
    directory UUID NOT NULL,
    user_name_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    member UUID NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (workspace, directory, user_name_key),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id)
);

CREATE TABLE causes (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('rule', 'admin', 'invite', 'import', 'api_key', 'bootstrap')),
    rule UUID,
    rule_version BIGINT,
    actor TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (workspace, id),
    CHECK ((kind = 'rule') = (rule IS NOT NULL)),
    CHECK ((rule IS NULL) = (rule_version IS NULL))
);

CREATE TABLE rules (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    directory UUID NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'planned', 'live', 'broken')),
    cause UUID NOT NULL,
    -- A filter over the user's own attributes; `when` is a word of SQL.
    when_text TEXT,
    -- The run that brings a planned rule to life.
    run UUID,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id),
    FOREIGN KEY (workspace, cause) REFERENCES causes (workspace, id)
);

-- The groups that must all hold. A group named before it exists binds once, by its folded name.
CREATE TABLE rule_groups (
    workspace UUID NOT NULL,
    rule UUID NOT NULL,
    position BIGINT NOT NULL,
    directory UUID NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    group_id UUID,
    PRIMARY KEY (workspace, rule, position),
    FOREIGN KEY (workspace, rule) REFERENCES rules (workspace, id)
);
CREATE INDEX rule_groups_by_group ON rule_groups (workspace, group_id);
CREATE INDEX rule_groups_pending ON rule_groups (workspace, directory, name_key)
    WHERE group_id IS NULL;

CREATE TABLE rule_grants (
    workspace UUID NOT NULL,
    rule UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('team', 'role')),
    target UUID NOT NULL,
    PRIMARY KEY (workspace, rule, kind, target),
    FOREIGN KEY (workspace, rule) REFERENCES rules (workspace, id)
);

CREATE TABLE runs (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('rule', 'group_delete', 'nesting')),
    state TEXT NOT NULL CHECK (state IN ('planned', 'applying', 'done')),
    directory UUID NOT NULL,
    -- The group whose users it goes through; null for all users of the directory.
    group_id UUID,
    -- The last user that was worked off, in id order.
    position UUID,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL,
    request UUID NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, directory) REFERENCES directories (workspace, id)
);
CREATE INDEX runs_open ON runs (workspace, created_at) WHERE state <> 'done';

CREATE TABLE changes (
    workspace UUID NOT NULL REFERENCES workspaces (id),
    id UUID NOT NULL,
    number BIGINT,
    kind TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject UUID NOT NULL,
    -- Null for a delta of a group's members: deltas of one group do not lock each other.
    subject_version BIGINT,
    directory UUID,
    -- JSON without personal values; those are sealed with the person's key.
    detail TEXT NOT NULL,
    person UUID,
    sealed BYTEA,
    request UUID NOT NULL,
    credential UUID,
    actor TEXT,
    method TEXT,
    path TEXT,
    at BIGINT NOT NULL,
    numbered_at BIGINT,
    hash BYTEA,
    PRIMARY KEY (workspace, id),
    CHECK ((number IS NULL) = (numbered_at IS NULL)),
    CHECK ((number IS NULL) = (hash IS NULL))
);
CREATE UNIQUE INDEX changes_by_number ON changes (workspace, number) WHERE number IS NOT NULL;
CREATE INDEX changes_unnumbered ON changes (workspace, at, id) WHERE number IS NULL;
CREATE INDEX changes_by_subject ON changes (workspace, subject, at);

CREATE TABLE change_heads (
    workspace UUID NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE grants (
    workspace UUID NOT NULL,
    id UUID NOT NULL,
    member UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('team', 'role', 'permission')),
    target UUID NOT NULL,
    -- The workspace's id, or a team's.
    scope UUID NOT NULL,
    cause UUID NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    hold TEXT CHECK (hold IN ('brake', 'last_admin')),
    begun_change UUID NOT NULL,
    ended_change UUID,
    run UUID,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, member) REFERENCES members (workspace, id),
    FOREIGN KEY (workspace, cause) REFERENCES causes (workspace, id),
    FOREIGN KEY (workspace, begun_change) REFERENCES changes (workspace, id),
    CHECK ((to_at IS NULL) = (ended_change IS NULL))
);
CREATE UNIQUE INDEX grants_live ON grants (workspace, member, kind, target, scope, cause)
    WHERE to_at IS NULL;
CREATE INDEX grants_by_member ON grants (workspace, member);
