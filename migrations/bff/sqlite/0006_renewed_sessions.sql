-- Sessions that went on when their account got another role.
ALTER TABLE sessions ADD COLUMN renewed_at INTEGER;
-- Tokens that were signed for an earlier version of the account do not count.
ALTER TABLE sessions ADD COLUMN tokens_from INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_renewed ON sessions (renewed_at) WHERE renewed_at IS NOT NULL;
