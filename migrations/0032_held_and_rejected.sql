-- Of how many members the brake held what they were to lose by a run, when it came to them.
ALTER TABLE runs ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
-- Which run wrote a version of a rule.
CREATE INDEX runs_by_rule ON runs (workspace, rule, rule_version);

-- The status that a directory wants of somebody and whose hold an admin rejected: what it says again
-- changes nothing, until it says something else.
ALTER TABLE members ADD COLUMN brake_rejected TEXT
    CHECK (brake_rejected IN ('suspended', 'removed'));
-- The cause of a rule whose end an admin rejected for somebody, who has by this one what that gave.
ALTER TABLE causes ADD COLUMN keeps UUID;
