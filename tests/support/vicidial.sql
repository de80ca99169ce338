-- VICIdial's tables, as far as a sink touches them: names, types and engines as VICIdial declares them.
CREATE TABLE vicidial_dnc (phone_number VARCHAR(18) PRIMARY KEY NOT NULL) ENGINE=MyISAM;
CREATE TABLE vicidial_campaign_dnc (phone_number VARCHAR(18) NOT NULL, campaign_id VARCHAR(8)
  NOT NULL, INDEX (phone_number), UNIQUE phonecamp (phone_number, campaign_id)) ENGINE=MyISAM;
CREATE TABLE vicidial_dnc_log (phone_number VARCHAR(18), campaign_id VARCHAR(8), action
  ENUM('add','delete') DEFAULT 'add', action_date DATETIME, user VARCHAR(20), INDEX
  (phone_number)) ENGINE=MyISAM;
CREATE TABLE vicidial_hopper (hopper_id INT AUTO_INCREMENT PRIMARY KEY, lead_id INT, campaign_id
  VARCHAR(8), status ENUM('READY','QUEUE','INCALL','DONE','HOLD','DNC','RHOLD','RQUEUE') DEFAULT
  'READY', INDEX (lead_id)) ENGINE=MEMORY;
CREATE TABLE vicidial_list (lead_id INT AUTO_INCREMENT PRIMARY KEY, status VARCHAR(6),
  phone_code VARCHAR(10), phone_number VARCHAR(18), alt_phone VARCHAR(12), address3
  VARCHAR(100), email VARCHAR(70), INDEX (phone_number)) ENGINE=MyISAM;
CREATE TABLE vicidial_campaigns (campaign_id VARCHAR(8) PRIMARY KEY, use_internal_dnc
  ENUM('Y','N','AREACODE') DEFAULT 'N', use_campaign_dnc ENUM('Y','N','AREACODE') DEFAULT 'N',
  use_other_campaign_dnc VARCHAR(8) DEFAULT '') ENGINE=MyISAM;
INSERT INTO vicidial_campaigns VALUES ('RED', 'Y', 'Y', '');
