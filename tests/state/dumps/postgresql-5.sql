CREATE TABLE public.dead_letters (
    letter bigint NOT NULL,
    same bytea NOT NULL,
    pipeline text NOT NULL,
    account text NOT NULL,
    subscription text NOT NULL,
    outcome text NOT NULL,
    stage text NOT NULL,
    reason text NOT NULL,
    origin text NOT NULL,
    "row" bigint NOT NULL,
    cursor bigint,
    message_id text,
    transaction_id text,
    customer_id text,
    event text,
    body text,
    digest text,
    sent_digest text,
    due bigint,
    count integer NOT NULL,
    first_run bigint NOT NULL,
    last_run bigint NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    status text NOT NULL,
    why text,
    closed bigint,
    said bigint
);
CREATE TABLE public.inputs (
    pipeline text NOT NULL,
    account text NOT NULL,
    input text NOT NULL,
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.intervals (
    pipeline text NOT NULL,
    account text NOT NULL,
    subscription text NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL
);
CREATE TABLE public.labels (
    label bigint NOT NULL,
    text text NOT NULL
);
CREATE TABLE public.marks (
    pipeline text NOT NULL,
    scope text NOT NULL,
    mark text NOT NULL,
    until bigint NOT NULL,
    recorded bigint NOT NULL
);
CREATE TABLE public.numbers (
    name text NOT NULL,
    value bigint NOT NULL
);
CREATE TABLE public.runs (
    epoch bigint NOT NULL,
    run_id text NOT NULL,
    pipeline text NOT NULL,
    account text NOT NULL,
    kind text NOT NULL,
    scope text NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL,
    started bigint NOT NULL,
    ended bigint,
    status text NOT NULL,
    counts text,
    error text,
    host text NOT NULL,
    pid integer NOT NULL
);
CREATE TABLE public.sent_keys (
    part bigint NOT NULL,
    entries bytea NOT NULL
);
CREATE TABLE public.sent_log (
    number bigint NOT NULL,
    segment integer NOT NULL,
    transaction_id text NOT NULL,
    digest bytea NOT NULL,
    subscription integer NOT NULL,
    customer_id text,
    event_type integer,
    event_time bigint,
    run bigint NOT NULL,
    sent_at bigint NOT NULL
);
CREATE TABLE public.sent_segments (
    segment bigint NOT NULL,
    account text NOT NULL,
    owner bigint NOT NULL,
    rows bigint NOT NULL,
    first_number bigint NOT NULL,
    last_number bigint NOT NULL,
    first_sent bigint NOT NULL,
    last_sent bigint NOT NULL,
    stored_upto bigint NOT NULL,
    bloom bytea
);
CREATE TABLE public.state_version (
    version integer NOT NULL
);
CREATE TABLE public.subscription_versions (
    pipeline text NOT NULL,
    account text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    since bigint,
    until bigint,
    starts bigint,
    trigger_text text NOT NULL,
    mapping text NOT NULL,
    first_run bigint NOT NULL,
    last_run bigint NOT NULL
);
CREATE TABLE public.token_fingerprints (
    fingerprint text NOT NULL,
    account text NOT NULL,
    first_seen bigint NOT NULL
);
CREATE TABLE public.touches (
    pipeline text NOT NULL,
    account text NOT NULL,
    name text NOT NULL,
    version text NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL
);
INSERT INTO public.dead_letters VALUES (1, '\x7981487582b729c0a72eb12ad807e923', 'product', 'production', 'usage', 'rejected', 'mapping', 'customer_id is missing', 'a.parquet', 7, 1793491200000000, 'm1', NULL, NULL, '{"secret":1}', NULL, NULL, NULL, NULL, 1, 1, 1, 1795176000000000, 1795176000000000, 'open', NULL, NULL, 1795176000000000);
INSERT INTO public.intervals VALUES ('product', 'production', 'usage', 1793491200000000, 1793577600000000);
INSERT INTO public.labels VALUES (1, 'usage');
INSERT INTO public.labels VALUES (2, 'call');
INSERT INTO public.marks VALUES ('product', 'scope', 'part', 1793577600000000, 1795176000000000);
INSERT INTO public.numbers VALUES ('run', 1);
INSERT INTO public.numbers VALUES ('row', 2);
INSERT INTO public.numbers VALUES ('segment', 1);
INSERT INTO public.numbers VALUES ('label', 2);
INSERT INTO public.numbers VALUES ('letter', 1);
INSERT INTO public.runs VALUES (1, '20261120T120000Z-2e01309a', 'product', 'production', 'scheduled', 'scope', 1793491200000000, 1793577600000000, 1795176000000000, 1795176000000000, 'complete', '{"read":3,"filtered":0,"unreadable":0,"matched":0,"sent":0,"already_sent":0,"duplicate":0,"drift":0,"too_old":0,"in_future":0,"rejected":0,"unsent":0,"requests":0,"retries":0,"long_values":0,"released":0,"new_letters":1,"reasons":{},"by_subscription":{}}', NULL, 'host', 1);
INSERT INTO public.sent_log VALUES (1, 1, 'a', '\xa96faf705af16834e6c632b61e964e1f', 1, 'customer', 2, 1793528430456000, 1, 1795176000000000);
INSERT INTO public.sent_log VALUES (2, 1, 'b', '\x4b2212e31ac97fd4575a0b1c44d8843f', 1, 'customer', 2, 1793528430456000, 1, 1795176000000000);
INSERT INTO public.sent_segments VALUES (1, 'production', 1, 2, 1, 2, 1795176000000000, 1795176000000000, 0, NULL);
INSERT INTO public.state_version VALUES (5);
INSERT INTO public.subscription_versions VALUES ('product', 'production', 'usage', 'v1', NULL, NULL, 1793491200000000, 'type = "track"', '{}', 1, 1);
INSERT INTO public.token_fingerprints VALUES ('0123', 'production', 1795176000000000);
INSERT INTO public.touches VALUES ('product', 'production', 'usage', 'v1', 1793491200000000, 1793577600000000);
ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (letter);
ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_same_key UNIQUE (same);
ALTER TABLE ONLY public.inputs
    ADD CONSTRAINT inputs_pkey PRIMARY KEY (pipeline, account, input, name);
ALTER TABLE ONLY public.intervals
    ADD CONSTRAINT intervals_pkey PRIMARY KEY (pipeline, account, subscription, since);
ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_pkey PRIMARY KEY (label);
ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_text_key UNIQUE (text);
ALTER TABLE ONLY public.marks
    ADD CONSTRAINT marks_pkey PRIMARY KEY (pipeline, scope, mark);
ALTER TABLE ONLY public.numbers
    ADD CONSTRAINT numbers_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (epoch);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_run_id_key UNIQUE (run_id);
ALTER TABLE ONLY public.sent_keys
    ADD CONSTRAINT sent_keys_pkey PRIMARY KEY (part);
ALTER TABLE ONLY public.sent_log
    ADD CONSTRAINT sent_log_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.sent_segments
    ADD CONSTRAINT sent_segments_pkey PRIMARY KEY (segment);
ALTER TABLE ONLY public.subscription_versions
    ADD CONSTRAINT subscription_versions_pkey PRIMARY KEY (pipeline, account, name, version);
ALTER TABLE ONLY public.token_fingerprints
    ADD CONSTRAINT token_fingerprints_pkey PRIMARY KEY (fingerprint);
ALTER TABLE ONLY public.touches
    ADD CONSTRAINT touches_pkey PRIMARY KEY (pipeline, account, name, version, since);
CREATE INDEX dead_letters_of_message ON public.dead_letters USING btree (message_id);
CREATE INDEX dead_letters_of_pipeline ON public.dead_letters USING btree (pipeline, status, outcome);
CREATE INDEX dead_letters_said ON public.dead_letters USING btree (said);
CREATE INDEX runs_of_pipeline ON public.runs USING btree (pipeline, status);
CREATE INDEX sent_segments_of_account ON public.sent_segments USING btree (account);
