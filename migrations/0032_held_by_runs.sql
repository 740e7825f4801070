-- Of how many members the brake held what they were to lose by a run, when it came to them.
ALTER TABLE runs ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
-- Which run wrote a version of a rule.
CREATE INDEX runs_by_rule ON runs (workspace, rule, rule_version);
