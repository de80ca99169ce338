-- Statements of connectors/sinks/mysql.py; each begins with its name. {table} is the only placeholder.

-- name: columns
token CHAR(34) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
channel VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
purpose VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
brand VARCHAR(64) NOT NULL
contact_kind VARCHAR(8) NULL
contact VARCHAR(500) NULL
controller VARCHAR(64) NOT NULL DEFAULT ''
allowed BOOLEAN NOT NULL DEFAULT FALSE
reasons VARCHAR(1000) NOT NULL DEFAULT '[]'
conditions VARCHAR(1000) NOT NULL DEFAULT '[]'
until DATETIME(3) NULL
version BIGINT NOT NULL DEFAULT 0
as_of DATETIME(3) NULL

-- name: turn
-- Locks the contact by its row of everything else, made where it is missing: a stale writer waits
-- here, and sees below what a newer one wrote. Sorted by token, so two writers never deadlock.
INSERT INTO `{table}` (token, channel, purpose, brand) VALUES (%s, '*', '*', '*')
ON DUPLICATE KEY UPDATE token = VALUES(token)

-- name: held
SELECT token, channel, purpose, brand, contact_kind, contact, controller, allowed, reasons,
       conditions, until, version
FROM `{table}` WHERE token IN %s

-- name: upsert
INSERT INTO `{table}` (token, channel, purpose, brand, contact_kind, contact, controller, allowed,
                       reasons, conditions, until, version, as_of)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON DUPLICATE KEY UPDATE
  contact_kind = VALUES(contact_kind), contact = VALUES(contact), controller = VALUES(controller),
  allowed = VALUES(allowed), reasons = VALUES(reasons), conditions = VALUES(conditions),
  until = VALUES(until), version = VALUES(version), as_of = VALUES(as_of)

-- name: forget
DROP FUNCTION IF EXISTS `{table}_allowed`

-- name: function
-- The brand's own row, else that of all brands not named (''), else '*'. Asked without a controller
-- (NULL), every controller that knows the contact must allow it. One statement: no DELIMITER needed.
CREATE FUNCTION `{table}_allowed`(
  p_contact VARCHAR(500) CHARACTER SET utf8mb4, p_channel VARCHAR(32) CHARACTER SET utf8mb4,
  p_purpose VARCHAR(32) CHARACTER SET utf8mb4, p_brand VARCHAR(64) CHARACTER SET utf8mb4,
  p_controller VARCHAR(64) CHARACTER SET utf8mb4)
RETURNS BOOLEAN READS SQL DATA SQL SECURITY INVOKER
RETURN (
  SELECT COALESCE(MIN(COALESCE(
    (SELECT t.allowed AND (t.until IS NULL OR t.until > UTC_TIMESTAMP(3))
     FROM `{table}` t
     WHERE t.token = known.token AND t.channel = p_channel AND t.purpose = p_purpose
       AND t.brand IN (p_brand, '', '*') AND (p_brand <> '*' OR t.brand = '*')
     ORDER BY t.brand = p_brand DESC, t.brand = '' DESC
     LIMIT 1), FALSE)), FALSE)
  FROM `{table}` known
  WHERE known.contact = p_contact AND known.channel = '*'
    AND (p_controller IS NULL OR known.controller = p_controller))

-- name: has_columns
SELECT column_name FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = '{table}'

-- name: has_engine
SELECT engine FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = '{table}'

-- name: has_keys
SELECT non_unique, GROUP_CONCAT(column_name ORDER BY seq_in_index)
FROM information_schema.statistics
WHERE table_schema = DATABASE() AND table_name = '{table}' GROUP BY index_name, non_unique

-- name: has_function
SELECT 1 FROM information_schema.routines
WHERE routine_schema = DATABASE() AND routine_name = '{table}_allowed'

-- name: may_SELECT
EXPLAIN SELECT version FROM `{table}` WHERE token = ''

-- name: may_INSERT
EXPLAIN INSERT INTO `{table}` (token, channel, purpose, brand) VALUES ('', '', '', '')

-- name: may_UPDATE
EXPLAIN UPDATE `{table}` SET version = 0 WHERE token = ''
