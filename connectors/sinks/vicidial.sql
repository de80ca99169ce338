-- Statements of connectors/sinks/vicidial.py; each begins with its name. noli_vicidial* are ours.

-- name: layout
-- What we decided of each token, and which rows of VICIdial's lists are ours.
CREATE TABLE IF NOT EXISTS noli_vicidial (
  token CHAR(34) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  phone_number VARCHAR(18) NULL, version BIGINT NOT NULL, lists VARCHAR(1000) NOT NULL,
  KEY (phone_number)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4

-- name: layout_rows
CREATE TABLE IF NOT EXISTS noli_vicidial_rows (
  phone_number VARCHAR(18) NOT NULL, campaign_id VARCHAR(8) NOT NULL,
  PRIMARY KEY (phone_number, campaign_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4

-- name: tables
SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()

-- name: heeded
SELECT campaign_id FROM vicidial_campaigns
WHERE use_campaign_dnc <> 'N' AND COALESCE(use_other_campaign_dnc, '') = ''

-- name: problems
SELECT CONCAT('campaign ', campaign_id, ' ignores the system list: use_internal_dnc=N'),
       'set it to Y in the settings of the campaign'
FROM vicidial_campaigns WHERE use_internal_dnc = 'N' ORDER BY campaign_id

-- name: turn
-- Writers take turns: VICIdial's lists are MyISAM, which knows no transaction.
SELECT GET_LOCK(CONCAT('noli.', DATABASE()), %s)

-- name: done
SELECT RELEASE_LOCK(CONCAT('noli.', DATABASE()))

-- name: held
SELECT token, phone_number, version, lists FROM noli_vicidial WHERE token IN %s

-- name: others
SELECT token, phone_number, lists FROM noli_vicidial WHERE phone_number IN %s

-- name: upsert
INSERT INTO noli_vicidial (token, phone_number, version, lists) VALUES (%s, %s, %s, %s)
ON DUPLICATE KEY UPDATE phone_number = VALUES(phone_number), version = VALUES(version),
                        lists = VALUES(lists)

-- name: add_system
INSERT IGNORE INTO vicidial_dnc (phone_number) VALUES (%s)

-- name: add_campaign
INSERT IGNORE INTO vicidial_campaign_dnc (phone_number, campaign_id) VALUES (%s, %s)

-- name: own
INSERT IGNORE INTO noli_vicidial_rows (phone_number, campaign_id) VALUES (%s, %s)

-- name: ours
-- Ours, and nobody else has put it there since: an agent's own objection stays.
SELECT 1 FROM noli_vicidial_rows WHERE phone_number = %s AND campaign_id = %s
AND NOT EXISTS (SELECT 1 FROM vicidial_dnc_log l
                WHERE l.phone_number = %s AND l.campaign_id = %s AND l.action = 'add'
                  AND l.user <> %s)

-- name: remove_system
DELETE FROM vicidial_dnc WHERE phone_number = %s

-- name: remove_campaign
DELETE FROM vicidial_campaign_dnc WHERE phone_number = %s AND campaign_id = %s

-- name: disown
DELETE FROM noli_vicidial_rows WHERE phone_number = %s AND campaign_id = %s

-- name: forget
DELETE FROM noli_vicidial_rows WHERE phone_number = %s

-- name: log
INSERT INTO vicidial_dnc_log (phone_number, campaign_id, action, action_date, user)
VALUES (%s, %s, %s, NOW(), %s)

-- name: unload
-- What waits to be dialled is dialled without another look at the lists. From the hopper, which is
-- small, to the leads by their key: the other columns have no index.
DELETE h FROM vicidial_hopper h JOIN vicidial_list l ON l.lead_id = h.lead_id
WHERE h.status <> 'INCALL' AND h.campaign_id LIKE %s
  AND (l.phone_number = %s OR l.alt_phone = %s OR l.address3 = %s)

-- name: listed
SELECT phone_number, '-SYSINT-' FROM vicidial_dnc WHERE phone_number IN %s
UNION ALL
SELECT phone_number, campaign_id FROM vicidial_campaign_dnc WHERE phone_number IN %s

-- name: obeyed
-- A number that waits in the hopper is dialled, whatever list it stands on: a hopper run that looked
-- just before our row and loaded just after. Read back so, it is found and unloaded.
SELECT d.phone_number, '-SYSINT-' FROM vicidial_dnc d
WHERE d.phone_number IN %s AND NOT EXISTS (
  SELECT 1 FROM vicidial_hopper h JOIN vicidial_list l ON l.lead_id = h.lead_id
  WHERE h.status <> 'INCALL' AND d.phone_number IN (l.phone_number, l.alt_phone, l.address3))
UNION ALL
SELECT d.phone_number, d.campaign_id FROM vicidial_campaign_dnc d
WHERE d.phone_number IN %s AND NOT EXISTS (
  SELECT 1 FROM vicidial_hopper h JOIN vicidial_list l ON l.lead_id = h.lead_id
  WHERE h.status <> 'INCALL' AND h.campaign_id = d.campaign_id
    AND d.phone_number IN (l.phone_number, l.alt_phone, l.address3))

-- name: loaded
SELECT COUNT(*) FROM vicidial_hopper h JOIN vicidial_list l ON l.lead_id = h.lead_id
WHERE h.status <> 'INCALL'
  AND (l.phone_number IN %s OR l.alt_phone IN %s OR l.address3 IN %s)
