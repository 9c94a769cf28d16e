BEGIN TRANSACTION;
CREATE TABLE dead_letters (
	letter INTEGER NOT NULL, 
	same BLOB NOT NULL, 
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	subscription TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	"row" BIGINT NOT NULL, 
	cursor BIGINT, 
	message_id TEXT, 
	transaction_id TEXT, 
	customer_id TEXT, 
	event TEXT, 
	body TEXT, 
	digest TEXT, 
	sent_digest TEXT, 
	due BIGINT, 
	count INTEGER NOT NULL, 
	first_run BIGINT NOT NULL, 
	last_run BIGINT NOT NULL, 
	first_seen BIGINT NOT NULL, 
	last_seen BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	why TEXT, 
	closed BIGINT, 
	said BIGINT, 
	PRIMARY KEY (letter), 
	UNIQUE (same)
);
INSERT INTO "dead_letters" VALUES(1,X'7981487582B729C0A72EB12AD807E923','product','production','usage','rejected','mapping','customer_id is missing','a.parquet',7,1793491200000000,'m1',NULL,NULL,'{"secret":1}',NULL,NULL,NULL,NULL,1,1,1,1795176000000000,1795176000000000,'open',NULL,NULL,1795176000000000);
CREATE TABLE inputs (
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	input TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (pipeline, account, input, name)
);
CREATE TABLE intervals (
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	subscription TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (pipeline, account, subscription, since)
);
INSERT INTO "intervals" VALUES('product','production','usage',1793491200000000,1793577600000000);
CREATE TABLE labels (
	label INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (label), 
	UNIQUE (text)
);
INSERT INTO "labels" VALUES(1,'usage');
INSERT INTO "labels" VALUES(2,'call');
CREATE TABLE marks (
	pipeline TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	mark TEXT NOT NULL, 
	until BIGINT NOT NULL, 
	recorded BIGINT NOT NULL, 
	PRIMARY KEY (pipeline, scope, mark)
);
INSERT INTO "marks" VALUES('product','scope','part',1793577600000000,1795176000000000);
CREATE TABLE numbers (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "numbers" VALUES('run',1);
INSERT INTO "numbers" VALUES('row',2);
INSERT INTO "numbers" VALUES('segment',1);
INSERT INTO "numbers" VALUES('label',2);
INSERT INTO "numbers" VALUES('letter',1);
CREATE TABLE runs (
	epoch INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	started BIGINT NOT NULL, 
	ended BIGINT, 
	status TEXT NOT NULL, 
	counts TEXT, 
	error TEXT, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	PRIMARY KEY (epoch), 
	UNIQUE (run_id)
);
INSERT INTO "runs" VALUES(1,'20261120T120000Z-20ce4fdb','product','production','scheduled','scope',1793491200000000,1793577600000000,1795176000000000,1795176000000000,'complete','{"read":3,"filtered":0,"unreadable":0,"matched":0,"sent":0,"already_sent":0,"duplicate":0,"drift":0,"too_old":0,"in_future":0,"rejected":0,"unsent":0,"requests":0,"retries":0,"long_values":0,"released":0,"new_letters":1,"reasons":{},"by_subscription":{}}',NULL,'host',1);
CREATE TABLE sent_keys (
	part INTEGER NOT NULL, 
	entries BLOB NOT NULL, 
	PRIMARY KEY (part)
);
CREATE TABLE sent_log (
	number INTEGER NOT NULL, 
	segment INTEGER NOT NULL, 
	transaction_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	subscription INTEGER NOT NULL, 
	customer_id TEXT, 
	event_type INTEGER, 
	event_time BIGINT, 
	run BIGINT NOT NULL, 
	sent_at BIGINT NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "sent_log" VALUES(1,1,'a',X'A96FAF705AF16834E6C632B61E964E1F',1,'customer',2,1793528430456000,1,1795176000000000);
INSERT INTO "sent_log" VALUES(2,1,'b',X'4B2212E31AC97FD4575A0B1C44D8843F',1,'customer',2,1793528430456000,1,1795176000000000);
CREATE TABLE sent_segments (
	segment INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	owner BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	first_number BIGINT NOT NULL, 
	last_number BIGINT NOT NULL, 
	first_sent BIGINT NOT NULL, 
	last_sent BIGINT NOT NULL, 
	stored_upto BIGINT NOT NULL, 
	bloom BLOB, 
	PRIMARY KEY (segment)
);
INSERT INTO "sent_segments" VALUES(1,'production',1,2,1,2,1795176000000000,1795176000000000,0,NULL);
CREATE TABLE state_version (
	version INTEGER NOT NULL
);
INSERT INTO "state_version" VALUES(5);
CREATE TABLE subscription_versions (
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	since BIGINT, 
	until BIGINT, 
	starts BIGINT, 
	trigger_text TEXT NOT NULL, 
	mapping TEXT NOT NULL, 
	first_run BIGINT NOT NULL, 
	last_run BIGINT NOT NULL, 
	PRIMARY KEY (pipeline, account, name, version)
);
INSERT INTO "subscription_versions" VALUES('product','production','usage','v1',NULL,NULL,1793491200000000,'type = "track"','{}',1,1);
CREATE TABLE token_fingerprints (
	fingerprint TEXT NOT NULL, 
	account TEXT NOT NULL, 
	first_seen BIGINT NOT NULL, 
	PRIMARY KEY (fingerprint)
);
INSERT INTO "token_fingerprints" VALUES('0123','production',1795176000000000);
CREATE TABLE touches (
	pipeline TEXT NOT NULL, 
	account TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (pipeline, account, name, version, since)
);
INSERT INTO "touches" VALUES('product','production','usage','v1',1793491200000000,1793577600000000);
CREATE INDEX runs_of_pipeline ON runs (pipeline, status);
CREATE INDEX sent_segments_of_account ON sent_segments (account);
CREATE INDEX dead_letters_of_message ON dead_letters (message_id);
CREATE INDEX dead_letters_said ON dead_letters (said);
CREATE INDEX dead_letters_of_pipeline ON dead_letters (pipeline, status, outcome);
COMMIT;
