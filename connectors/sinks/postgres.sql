-- Statements of connectors/sinks/postgres.py; each begins with its name. Braces are placeholders.

-- name: turn
-- Writers take turns, so a stale one cannot slip a row in beside a newer decision it did not see.
SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))

-- name: upsert
-- One JSON document is what both sides handle fastest: `unnest` of arrays costs three times the
-- client's CPU. `gone`: what a newer decision no longer states is denied, never deleted; where the
-- contact is erased, every row of its token loses it. Rows that would only get a new version are left
-- alone: the row of everything else (`*`, `*`, `*`) has it, and a row costs more than all else here.
-- The same version again mends what somebody else changed meanwhile.
WITH change AS MATERIALIZED (
  SELECT c.token, c.contact_kind, c.contact, c.controller, c.channel, c.purpose, c.brand, c.allowed,
         c.reasons, c.conditions, to_timestamp(c.until / 1000.0) AS until, c.version,
         to_timestamp(c.as_of / 1000.0) AS as_of
  FROM json_to_recordset(%s::text::json) AS c(
    token text, contact_kind text, contact text, controller text, channel text, purpose text,
    brand text, allowed boolean, reasons text[], conditions text[], until bigint, version bigint,
    as_of bigint)
  WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.token = c.token AND t.version > c.version)
), gone AS (
  UPDATE {table} t
  SET allowed = false, reasons = '{{NO_BASIS}}', conditions = '{{}}', until = NULL,
      contact_kind = c.contact_kind, contact = c.contact, version = c.version, as_of = c.as_of
  FROM (SELECT DISTINCT ON (token) * FROM change) c
  WHERE t.token = c.token
    AND (t.allowed, t.reasons, t.contact) IS DISTINCT FROM (false, '{{NO_BASIS}}', c.contact)
    AND NOT EXISTS (
      SELECT FROM change s
      WHERE (s.token, s.channel, s.purpose, s.brand) = (t.token, t.channel, t.purpose, t.brand))
)
INSERT INTO {table} AS t (token, contact_kind, contact, controller, channel, purpose, brand,
                          allowed, reasons, conditions, until, version, as_of)
SELECT token, contact_kind, contact, controller, channel, purpose, brand, allowed, reasons,
       conditions, until, version, as_of
FROM change
ON CONFLICT (token, channel, purpose, brand) DO UPDATE
SET contact_kind = excluded.contact_kind, contact = excluded.contact,
    controller = excluded.controller, allowed = excluded.allowed, reasons = excluded.reasons,
    conditions = excluded.conditions, until = excluded.until, version = excluded.version,
    as_of = excluded.as_of
WHERE excluded.version >= t.version
  AND (excluded.channel = '*' AND excluded.version > t.version
       OR (t.contact_kind, t.contact, t.controller, t.allowed, t.reasons, t.conditions, t.until)
          IS DISTINCT FROM (excluded.contact_kind, excluded.contact, excluded.controller,
                            excluded.allowed, excluded.reasons, excluded.conditions,
                            excluded.until))

-- name: held
SELECT token, channel, purpose, brand, allowed, version FROM {table} WHERE token = ANY(%s)

-- name: problems
-- What is wrong, and whether `layout` mends it.
WITH found AS (SELECT to_regclass({name})::oid AS oid)
SELECT 'table ' || {name} || ' is missing', true FROM found WHERE oid IS NULL
UNION ALL
SELECT 'column ' || wanted || ' is missing', true
FROM found, unnest(ARRAY['token', 'contact_kind', 'contact', 'controller', 'channel', 'purpose',
                         'brand', 'allowed', 'reasons', 'conditions', 'until', 'version', 'as_of'])
            wanted
WHERE oid IS NOT NULL AND NOT EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = oid AND attname = wanted AND NOT attisdropped)
UNION ALL
SELECT 'no unique key on (token, channel, purpose, brand)', true
FROM found
WHERE oid IS NOT NULL AND NOT EXISTS (
  SELECT FROM pg_index
  WHERE indrelid = oid AND indisunique AND indpred IS NULL
    AND (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute
         WHERE attrelid = oid AND attnum = ANY(indkey::smallint[]))
        = ARRAY['brand', 'channel', 'purpose', 'token'])
UNION ALL
SELECT 'index ' || {index_name} || ' is missing', true
FROM found WHERE oid IS NOT NULL AND to_regclass({index_name}) IS NULL
UNION ALL
SELECT 'function ' || {function_name} || ' is missing, or of an older release', true
FROM found
WHERE oid IS NOT NULL
  AND obj_description(to_regprocedure({function_name} || '(text, text, text, text, text)'),
                      'pg_proc') IS DISTINCT FROM 'noli 2'
UNION ALL
SELECT 'user ' || current_user || ' may not ' || wanted || ' on ' || {name}, false
FROM found, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) wanted
WHERE oid IS NOT NULL AND NOT has_table_privilege(oid, wanted)
UNION ALL
SELECT 'user ' || current_user || ' may not create tables in ' || coalesce(current_schema(), '(no schema)'),
       false
FROM found
WHERE oid IS NULL
  AND NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)

-- name: layout
CREATE TABLE IF NOT EXISTS {table} (
  token text NOT NULL, channel text NOT NULL, purpose text NOT NULL, brand text NOT NULL,
  PRIMARY KEY (token, channel, purpose, brand));
ALTER TABLE {table}
  ADD COLUMN IF NOT EXISTS contact_kind text,
  ADD COLUMN IF NOT EXISTS contact text,
  ADD COLUMN IF NOT EXISTS controller text NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS allowed boolean NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS reasons text[] NOT NULL DEFAULT '{{}}',
  ADD COLUMN IF NOT EXISTS conditions text[] NOT NULL DEFAULT '{{}}',
  ADD COLUMN IF NOT EXISTS until timestamptz,
  ADD COLUMN IF NOT EXISTS version bigint NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS as_of timestamptz;
CREATE UNIQUE INDEX IF NOT EXISTS {key} ON {table} (token, channel, purpose, brand);
CREATE INDEX IF NOT EXISTS {index} ON {table} (contact, channel, purpose);
-- The brand's own row, else that of all brands not named (''), else '*'. Asked without a controller,
-- every controller that knows the contact must allow it.
CREATE OR REPLACE FUNCTION {function}(
  contact text, channel text, purpose text DEFAULT 'marketing', brand text DEFAULT '*',
  controller text DEFAULT NULL) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(bool_and(coalesce(
    (SELECT t.allowed AND (t.until IS NULL OR t.until > now())
     FROM {table} t
     WHERE t.token = known.token AND t.channel = $2 AND t.purpose = $3
       AND t.brand IN ($4, '', '*') AND ($4 <> '*' OR t.brand = '*')
     ORDER BY t.brand = $4 DESC, t.brand = '' DESC
     LIMIT 1), false)), false)
  FROM (SELECT DISTINCT k.token FROM {table} k
        WHERE k.contact = $1 AND ($5 IS NULL OR k.controller = $5)) known
$$;
COMMENT ON FUNCTION {function}(text, text, text, text, text) IS 'noli 2';
