ALTER TABLE scout_control.audit_events
    ALTER COLUMN at SET DEFAULT clock_timestamp(),
    ADD COLUMN facts JSONB DEFAULT '{}'::jsonb NOT NULL,
    ADD COLUMN digests JSONB DEFAULT '{}'::jsonb NOT NULL;

CREATE TABLE scout_control.audit_values (
    event_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    salt BYTEA NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT audit_values_pkey PRIMARY KEY (event_id, name),
    CONSTRAINT audit_values_event_id_fkey FOREIGN KEY (event_id) REFERENCES scout_control.audit_events (id) ON DELETE CASCADE
);

CREATE TABLE scout_control.audit_chain (
    position BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT audit_chain_pkey PRIMARY KEY (position),
    CONSTRAINT audit_chain_event_id_key UNIQUE (event_id),
    CONSTRAINT audit_chain_event_id_fkey FOREIGN KEY (event_id) REFERENCES scout_control.audit_events (id) ON DELETE CASCADE
);

CREATE TABLE scout_control.audit_head (
    is_only BOOLEAN DEFAULT true NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT audit_head_pkey PRIMARY KEY (is_only),
    CONSTRAINT audit_head_one_row CHECK (is_only)
);

INSERT INTO scout_control.audit_head (position, hash) VALUES (0, sha256('scout_control audit'));

-- What was recorded before becomes the beginning of the chain.
INSERT INTO scout_control.audit_values (event_id, name, salt, value)
SELECT event.id, told.name, decode(replace(gen_random_uuid()::text, '-', ''), 'hex'), told.value
  FROM scout_control.audit_events AS event,
       LATERAL (
           VALUES ('actor', event.actor),
                  ('subject', event.subject_id),
                  ('project', coalesce(event.details ->> 'project', CASE event.subject_kind WHEN 'project' THEN event.subject_id END)),
                  ('dataset', coalesce(event.details ->> 'dataset', event.details ->> 'schema')),
                  ('source', event.details ->> 'source'),
                  ('details', nullif(event.details - ARRAY['project', 'dataset', 'schema', 'source'], '{}')::text)
       ) AS told (name, value)
 WHERE told.value IS NOT NULL;

UPDATE scout_control.audit_events AS event
   SET digests = (
       SELECT jsonb_object_agg(told.name, encode(sha256(told.salt || convert_to(told.value, 'UTF8')), 'hex'))
         FROM scout_control.audit_values AS told
        WHERE told.event_id = event.id
   )
 WHERE EXISTS (SELECT FROM scout_control.audit_values AS told WHERE told.event_id = event.id);

ALTER TABLE scout_control.audit_events
    DROP COLUMN actor,
    DROP COLUMN subject_id,
    DROP COLUMN details;

CREATE INDEX audit_events_of_action ON scout_control.audit_events (action, id);
CREATE INDEX audit_values_of_name ON scout_control.audit_values (name, value, event_id) WHERE name <> 'details';

-- The next link of the chain, made when the transaction commits: the lock on the head is the last
-- one that a transaction takes and is held for the commit alone.
CREATE FUNCTION scout_control.audit_append() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link record;
BEGIN
    UPDATE scout_control.audit_head AS head
       SET position = head.position + 1,
           hash = sha256(head.hash || convert_to(jsonb_build_array(
               head.position + 1, NEW.id, trunc(extract(epoch FROM NEW.at) * 1000000)::bigint,
               NEW.action, NEW.subject_kind, NEW.facts, NEW.digests
           )::text, 'UTF8'))
    RETURNING head.position, head.hash INTO STRICT link;
    INSERT INTO scout_control.audit_chain (position, event_id, hash)
    VALUES (link.position, NEW.id, link.hash);
    RETURN NULL;
END
$$;

-- Only a trigger removes rows: the one that acts on a recorded retention or erasure.
CREATE FUNCTION scout_control.audit_refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_trigger_depth() > 1 AND TG_OP = ANY (string_to_array(TG_ARGV[0], ' ')) THEN
        RETURN NULL;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'The audit trail is append-only.';
END
$$;

-- What a retention or an erasure removes is worked out here and recorded, not taken on trust.
CREATE FUNCTION scout_control.audit_prepare() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    until timestamptz;
    kept bigint;
BEGIN
    NEW.at := clock_timestamp();
    IF NEW.action = 'audit retention' THEN
        until := least((NEW.facts ->> 'before')::timestamptz, now() - interval '30 days');
        SELECT link.position INTO kept
          FROM scout_control.audit_chain AS link
          JOIN scout_control.audit_events AS event ON event.id = link.event_id
         WHERE event.at >= until
         ORDER BY link.position LIMIT 1;
        IF kept IS NULL THEN
            SELECT head.position + 1 INTO kept FROM scout_control.audit_head AS head;
        END IF;
        SELECT jsonb_build_object(
                   'last', kept - 1,
                   'hash', encode(link.hash, 'hex'),
                   'before', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
               ) INTO NEW.facts
          FROM scout_control.audit_chain AS link
         WHERE link.position = kept - 1;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION scout_control.audit_apply() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.action = 'audit retention' THEN
        DELETE FROM scout_control.audit_events
         WHERE id IN (
             SELECT link.event_id FROM scout_control.audit_chain AS link
              WHERE link.position <= (NEW.facts ->> 'last')::bigint
         );
    ELSE
        DELETE FROM scout_control.audit_values AS told
         USING jsonb_each_text(NEW.facts -> 'erased') AS erased
         WHERE told.name = erased.key AND told.event_id <@ erased.value::int8multirange;
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    event record;
    link record;
BEGIN
    FOR event IN SELECT * FROM scout_control.audit_events ORDER BY id LOOP
        UPDATE scout_control.audit_head AS head
           SET position = head.position + 1,
               hash = sha256(head.hash || convert_to(jsonb_build_array(
                   head.position + 1, event.id, trunc(extract(epoch FROM event.at) * 1000000)::bigint,
                   event.action, event.subject_kind, event.facts, event.digests
               )::text, 'UTF8'))
        RETURNING head.position, head.hash INTO STRICT link;
        INSERT INTO scout_control.audit_chain (position, event_id, hash)
        VALUES (link.position, event.id, link.hash);
    END LOOP;
END
$$;

CREATE TRIGGER audit_prepare BEFORE INSERT ON scout_control.audit_events
    FOR EACH ROW EXECUTE FUNCTION scout_control.audit_prepare();
CREATE TRIGGER audit_apply AFTER INSERT ON scout_control.audit_events
    FOR EACH ROW WHEN (NEW.action IN ('audit retention', 'audit erasure'))
    EXECUTE FUNCTION scout_control.audit_apply();
CREATE CONSTRAINT TRIGGER audit_append AFTER INSERT ON scout_control.audit_events
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION scout_control.audit_append();

CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON scout_control.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION scout_control.audit_refuse('DELETE');
CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON scout_control.audit_values
    FOR EACH STATEMENT EXECUTE FUNCTION scout_control.audit_refuse('DELETE');
CREATE TRIGGER audit_refuse BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON scout_control.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION scout_control.audit_refuse('UPDATE');
CREATE TRIGGER audit_refuse BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON scout_control.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION scout_control.audit_refuse('INSERT DELETE');

-- Also in a session that replays what another server recorded.
ALTER TABLE scout_control.audit_events ENABLE ALWAYS TRIGGER audit_prepare;
ALTER TABLE scout_control.audit_events ENABLE ALWAYS TRIGGER audit_apply;
ALTER TABLE scout_control.audit_events ENABLE ALWAYS TRIGGER audit_append;
ALTER TABLE scout_control.audit_events ENABLE ALWAYS TRIGGER audit_refuse;
ALTER TABLE scout_control.audit_values ENABLE ALWAYS TRIGGER audit_refuse;
ALTER TABLE scout_control.audit_head ENABLE ALWAYS TRIGGER audit_refuse;
ALTER TABLE scout_control.audit_chain ENABLE ALWAYS TRIGGER audit_refuse;
