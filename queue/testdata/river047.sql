CREATE TYPE public.river_job_state AS ENUM (
    'available',
    'cancelled',
    'completed',
    'discarded',
    'pending',
    'retryable',
    'running',
    'scheduled'
);
CREATE FUNCTION public.river_job_state_in_bitmask(bitmask bit, state public.river_job_state) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE state
        WHEN 'available' THEN get_bit(bitmask, 7)
        WHEN 'cancelled' THEN get_bit(bitmask, 6)
        WHEN 'completed' THEN get_bit(bitmask, 5)
        WHEN 'discarded' THEN get_bit(bitmask, 4)
        WHEN 'pending'   THEN get_bit(bitmask, 3)
        WHEN 'retryable' THEN get_bit(bitmask, 2)
        WHEN 'running'   THEN get_bit(bitmask, 1)
        WHEN 'scheduled' THEN get_bit(bitmask, 0)
        ELSE 0
    END = 1;
$$;
CREATE TABLE public.river_job (
    id bigint NOT NULL,
    state public.river_job_state DEFAULT 'available'::public.river_job_state NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    max_attempts smallint DEFAULT 25 NOT NULL,
    attempted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finalized_at timestamp with time zone,
    scheduled_at timestamp with time zone DEFAULT now() NOT NULL,
    priority smallint DEFAULT 1 NOT NULL,
    args jsonb NOT NULL,
    attempted_by text[],
    errors jsonb[],
    kind text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    tags character varying(255)[] DEFAULT '{}'::character varying[] NOT NULL,
    unique_key bytea,
    unique_states bit(8),
    CONSTRAINT finalized_or_finalized_at_null CHECK ((((finalized_at IS NULL) AND (state <> ALL (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))) OR ((finalized_at IS NOT NULL) AND (state = ANY (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))))),
    CONSTRAINT kind_length CHECK (((char_length(kind) > 0) AND (char_length(kind) < 128))),
    CONSTRAINT max_attempts_is_positive CHECK ((max_attempts > 0)),
    CONSTRAINT priority_in_range CHECK (((priority >= 1) AND (priority <= 4))),
    CONSTRAINT queue_length CHECK (((char_length(queue) > 0) AND (char_length(queue) < 128)))
);
CREATE SEQUENCE public.river_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.river_job_id_seq OWNED BY public.river_job.id;
CREATE UNLOGGED TABLE public.river_leader (
    elected_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    leader_id text NOT NULL,
    name text DEFAULT 'default'::text NOT NULL,
    CONSTRAINT leader_id_length CHECK (((char_length(leader_id) > 0) AND (char_length(leader_id) < 128))),
    CONSTRAINT name_length CHECK ((name = 'default'::text))
);
CREATE TABLE public.river_migration (
    line text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT line_length CHECK (((char_length(line) > 0) AND (char_length(line) < 128))),
    CONSTRAINT version_gte_1 CHECK ((version >= 1))
);
CREATE TABLE public.river_notification (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (((length(topic) > 0) AND (length(topic) < 128)))
);
CREATE SEQUENCE public.river_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.river_notification_id_seq OWNED BY public.river_notification.id;
CREATE TABLE public.river_queue (
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
ALTER TABLE ONLY public.river_job ALTER COLUMN id SET DEFAULT nextval('public.river_job_id_seq'::regclass);
ALTER TABLE ONLY public.river_notification ALTER COLUMN id SET DEFAULT nextval('public.river_notification_id_seq'::regclass);
INSERT INTO public.river_job VALUES (5, 'scheduled', 0, 25, NULL, '2026-11-26 23:48:39.71688+00', NULL, '2036-11-23 23:48:39.716756+00', 1, '{"to": "unique"}', NULL, NULL, 'mail', '{}', 'default', '{}', '\x07e2ef3e834a4f7b9f4d15864f15608bec0535c75de6312bf1aa25c371792770', B'11110001');
INSERT INTO public.river_job VALUES (1, 'completed', 1, 25, '2026-11-26 23:48:39.716463+00', '2026-11-26 23:48:39.705918+00', '2026-11-26 23:48:39.718877+00', '2026-11-26 23:48:39.705918+00', 1, '{"to": "completed"}', '{workerfx:vm:21691:dc4calpksdu9edush4l0}', NULL, 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (2, 'retryable', 1, 25, '2026-11-26 23:48:39.716463+00', '2026-11-26 23:48:39.711604+00', NULL, '2026-11-27 00:48:39.718931+00', 1, '{"to": "retryable"}', '{workerfx:vm:21691:dc4calpksdu9edush4l0}', '{"{\"at\": \"2026-11-26T23:48:39.71839316Z\", \"error\": \"try again\", \"trace\": \"\", \"attempt\": 1}"}', 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (3, 'cancelled', 1, 25, '2026-11-26 23:48:39.716463+00', '2026-11-26 23:48:39.713478+00', '2026-11-26 23:48:39.71875+00', '2026-11-26 23:48:39.713478+00', 1, '{"to": "cancelled"}', '{workerfx:vm:21691:dc4calpksdu9edush4l0}', '{"{\"at\": \"2026-11-26T23:48:39.718574906Z\", \"error\": \"JobCancelError: never\", \"trace\": \"\", \"attempt\": 1}"}', 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (4, 'discarded', 1, 1, '2026-11-26 23:48:39.716463+00', '2026-11-26 23:48:39.715242+00', '2026-11-26 23:48:39.71883+00', '2026-11-26 23:48:39.715242+00', 1, '{"to": "discarded"}', '{workerfx:vm:21691:dc4calpksdu9edush4l0}', '{"{\"at\": \"2026-11-26T23:48:39.718771489Z\", \"error\": \"no more\", \"trace\": \"\", \"attempt\": 1}"}', 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (6, 'available', 0, 25, NULL, '2026-11-26 23:48:40.831833+00', NULL, '2026-11-26 23:48:40.831833+00', 1, '{"to": "available"}', NULL, NULL, 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (7, 'scheduled', 0, 25, NULL, '2026-11-26 23:48:40.838383+00', NULL, '2036-11-23 23:48:40.838299+00', 1, '{"to": "scheduled"}', NULL, NULL, 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (8, 'running', 1, 25, '2026-11-26 23:48:40.83959+00', '2026-11-26 23:48:40.83959+00', NULL, '2026-11-26 23:48:40.83959+00', 1, '{"to": "running"}', '{workerfx:dead:1:x}', NULL, 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_job VALUES (9, 'pending', 0, 25, NULL, '2026-11-26 23:48:40.84463+00', NULL, '2036-11-23 23:48:40.843592+00', 1, '{"to": "pending"}', NULL, NULL, 'mail', '{}', 'default', '{}', NULL, NULL);
INSERT INTO public.river_migration VALUES ('main', 1, '2026-11-26 23:48:39.617395+00');
INSERT INTO public.river_migration VALUES ('main', 2, '2026-11-26 23:48:39.62413+00');
INSERT INTO public.river_migration VALUES ('main', 3, '2026-11-26 23:48:39.64137+00');
INSERT INTO public.river_migration VALUES ('main', 4, '2026-11-26 23:48:39.643397+00');
INSERT INTO public.river_migration VALUES ('main', 5, '2026-11-26 23:48:39.64943+00');
INSERT INTO public.river_migration VALUES ('main', 6, '2026-11-26 23:48:39.664462+00');
INSERT INTO public.river_migration VALUES ('main', 7, '2026-11-26 23:48:39.668139+00');
INSERT INTO public.river_queue VALUES ('default', '2026-11-26 23:48:39.702827+00', '{}', NULL, '2026-11-26 23:48:39.702827+00');
SELECT pg_catalog.setval('public.river_job_id_seq', 9, true);
SELECT pg_catalog.setval('public.river_notification_id_seq', 1, false);
ALTER TABLE ONLY public.river_job
    ADD CONSTRAINT river_job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.river_leader
    ADD CONSTRAINT river_leader_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.river_migration
    ADD CONSTRAINT river_migration_pkey1 PRIMARY KEY (line, version);
ALTER TABLE ONLY public.river_notification
    ADD CONSTRAINT river_notification_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.river_queue
    ADD CONSTRAINT river_queue_pkey PRIMARY KEY (name);
CREATE INDEX river_job_args_index ON public.river_job USING gin (args);
CREATE INDEX river_job_kind ON public.river_job USING btree (kind);
CREATE INDEX river_job_metadata_index ON public.river_job USING gin (metadata);
CREATE INDEX river_job_prioritized_fetching_index ON public.river_job USING btree (state, queue, priority, scheduled_at, id);
CREATE INDEX river_job_state_and_finalized_at_index ON public.river_job USING btree (state, finalized_at) WHERE (finalized_at IS NOT NULL);
CREATE UNIQUE INDEX river_job_unique_idx ON public.river_job USING btree (unique_key) WHERE ((unique_key IS NOT NULL) AND (unique_states IS NOT NULL) AND public.river_job_state_in_bitmask(unique_states, state));
CREATE INDEX river_notification_created_at_idx ON public.river_notification USING btree (created_at);
CREATE INDEX river_notification_topic_id_idx ON public.river_notification USING btree (topic, id);
