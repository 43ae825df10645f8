-- One key per algorithm waits to sign, whichever replica makes it.
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (algorithm) WHERE state = 'next';
