-- The first store: owners, sources, credentials, datasets, runs, metadata, audit.

CREATE TABLE scout_control.audit_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    details JSONB DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_events_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_events_at_idx ON scout_control.audit_events (at);
CREATE INDEX audit_events_of_subject ON scout_control.audit_events (subject_kind, subject_id, id);

CREATE TABLE scout_control.connections (
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    host TEXT,
    port INTEGER DEFAULT '5432' NOT NULL,
    database TEXT,
    sslmode TEXT,
    login BYTEA,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_by TEXT,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT connections_pkey PRIMARY KEY (id),
    CONSTRAINT connections_port_is_a_port CHECK (port BETWEEN 1 AND 65535),
    CONSTRAINT connections_login_where_host CHECK ((host IS NULL) = (login IS NULL)),
    CONSTRAINT connections_name_key UNIQUE (name)
);

CREATE TABLE scout_control.service_logins (
    role TEXT NOT NULL,
    secrets BYTEA NOT NULL,
    CONSTRAINT service_logins_pkey PRIMARY KEY (role)
);

CREATE TABLE scout_control.sources (
    name TEXT NOT NULL,
    source_type TEXT NOT NULL,
    base_url TEXT,
    config JSONB DEFAULT '{}'::jsonb NOT NULL,
    oauth_client_id TEXT,
    oauth_client_secret BYTEA,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_by TEXT,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT sources_pkey PRIMARY KEY (id),
    CONSTRAINT sources_name_is_not_empty CHECK (name <> ''),
    CONSTRAINT sources_name_key UNIQUE (name)
);

CREATE TABLE scout_control.projects (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    connection_id UUID NOT NULL,
    db_schema TEXT DEFAULT 'public' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT projects_pkey PRIMARY KEY (id),
    CONSTRAINT projects_id_is_not_empty CHECK (id <> ''),
    CONSTRAINT projects_connection_id_fkey FOREIGN KEY(connection_id) REFERENCES scout_control.connections (id) ON DELETE RESTRICT
);
CREATE INDEX projects_connection_id_idx ON scout_control.projects (connection_id);

CREATE TABLE scout_control.credentials (
    source_id UUID NOT NULL,
    project_id TEXT,
    user_id TEXT,
    kind TEXT NOT NULL,
    secrets BYTEA NOT NULL,
    token_expires_at TIMESTAMP WITH TIME ZONE,
    scopes TEXT,
    external_user_id TEXT,
    is_valid BOOLEAN DEFAULT true NOT NULL,
    last_error TEXT,
    last_used_at TIMESTAMP WITH TIME ZONE,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT credentials_pkey PRIMARY KEY (id),
    CONSTRAINT credentials_project_xor_user CHECK ((project_id IS NULL) <> (user_id IS NULL)),
    CONSTRAINT credentials_source_id_fkey FOREIGN KEY(source_id) REFERENCES scout_control.sources (id) ON DELETE RESTRICT,
    CONSTRAINT credentials_project_id_fkey FOREIGN KEY(project_id) REFERENCES scout_control.projects (id) ON DELETE RESTRICT
);
CREATE INDEX credentials_expiring ON scout_control.credentials (token_expires_at) WHERE is_valid AND token_expires_at IS NOT NULL;
CREATE UNIQUE INDEX credentials_of_project ON scout_control.credentials (source_id, project_id) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX credentials_of_user ON scout_control.credentials (source_id, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE scout_control.project_sources (
    project_id TEXT NOT NULL,
    source_id UUID NOT NULL,
    credential_mode TEXT DEFAULT 'user' NOT NULL,
    sync_config JSONB DEFAULT '{}'::jsonb NOT NULL,
    refresh_interval_hours INTEGER DEFAULT '24' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT project_sources_pkey PRIMARY KEY (id),
    CONSTRAINT project_sources_project_id_source_id_key UNIQUE (project_id, source_id),
    CONSTRAINT project_sources_credential_mode_is_known CHECK (credential_mode IN ('project', 'user')),
    CONSTRAINT project_sources_interval_is_positive CHECK (refresh_interval_hours > 0),
    CONSTRAINT project_sources_project_id_fkey FOREIGN KEY(project_id) REFERENCES scout_control.projects (id) ON DELETE RESTRICT,
    CONSTRAINT project_sources_source_id_fkey FOREIGN KEY(source_id) REFERENCES scout_control.sources (id) ON DELETE RESTRICT
);
CREATE INDEX project_sources_source_id_idx ON scout_control.project_sources (source_id);

CREATE TABLE scout_control.source_metadata (
    source_id UUID NOT NULL,
    project_id TEXT,
    user_id TEXT,
    document JSONB DEFAULT '{}'::jsonb NOT NULL,
    discovered_at TIMESTAMP WITH TIME ZONE,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT source_metadata_pkey PRIMARY KEY (id),
    CONSTRAINT source_metadata_project_xor_user CHECK ((project_id IS NULL) <> (user_id IS NULL)),
    CONSTRAINT source_metadata_source_id_fkey FOREIGN KEY(source_id) REFERENCES scout_control.sources (id) ON DELETE CASCADE,
    CONSTRAINT source_metadata_project_id_fkey FOREIGN KEY(project_id) REFERENCES scout_control.projects (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX source_metadata_of_project ON scout_control.source_metadata (source_id, project_id) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX source_metadata_of_user ON scout_control.source_metadata (source_id, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE scout_control.datasets (
    project_source_id UUID NOT NULL,
    user_id TEXT,
    schema_name TEXT NOT NULL,
    owner TEXT NOT NULL,
    readers TEXT[] DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    is_paused BOOLEAN DEFAULT false NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    last_sync_at TIMESTAMP WITH TIME ZONE,
    next_sync_at TIMESTAMP WITH TIME ZONE,
    sync_error TEXT,
    row_counts JSONB DEFAULT '{}'::jsonb NOT NULL,
    last_activity_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT datasets_pkey PRIMARY KEY (id),
    CONSTRAINT datasets_schema_name_fits CHECK (octet_length(schema_name) BETWEEN 1 AND 55),
    CONSTRAINT datasets_status_is_known CHECK (status IN ('pending', 'syncing', 'ready', 'error', 'expired')),
    CONSTRAINT datasets_project_source_id_fkey FOREIGN KEY(project_source_id) REFERENCES scout_control.project_sources (id) ON DELETE RESTRICT,
    CONSTRAINT datasets_schema_name_key UNIQUE (schema_name)
);
CREATE INDEX datasets_due ON scout_control.datasets (next_sync_at) WHERE status IN ('pending', 'ready', 'error') AND NOT is_paused;
CREATE INDEX datasets_idle ON scout_control.datasets (last_activity_at) WHERE status <> 'expired';
CREATE UNIQUE INDEX datasets_of_project ON scout_control.datasets (project_source_id) WHERE user_id IS NULL;
CREATE UNIQUE INDEX datasets_of_user ON scout_control.datasets (project_source_id, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE scout_control.runs (
    dataset_id UUID NOT NULL,
    status TEXT DEFAULT 'queued' NOT NULL,
    phase TEXT DEFAULT 'started' NOT NULL,
    trigger TEXT DEFAULT 'manual' NOT NULL,
    is_full_refresh BOOLEAN DEFAULT false NOT NULL,
    attempt INTEGER DEFAULT '0' NOT NULL,
    worker TEXT,
    pid INTEGER,
    started_at TIMESTAMP WITH TIME ZONE,
    heartbeat_at TIMESTAMP WITH TIME ZONE,
    resume_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    progress JSONB DEFAULT '{}'::jsonb NOT NULL,
    rows_loaded JSONB DEFAULT '{}'::jsonb NOT NULL,
    result JSONB DEFAULT '{}'::jsonb NOT NULL,
    error_code TEXT,
    error_message TEXT,
    transform_error TEXT,
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT runs_pkey PRIMARY KEY (id),
    CONSTRAINT runs_status_is_known CHECK (status IN ('queued', 'running', 'paused', 'completed', 'partial', 'failed', 'cancelled')),
    CONSTRAINT runs_paused_knows_until_when CHECK ((status = 'paused') = (resume_at IS NOT NULL)),
    CONSTRAINT runs_dataset_id_fkey FOREIGN KEY(dataset_id) REFERENCES scout_control.datasets (id) ON DELETE CASCADE
);
CREATE INDEX runs_alive ON scout_control.runs (status, heartbeat_at) WHERE status IN ('queued', 'running', 'paused');
CREATE INDEX runs_ended ON scout_control.runs (completed_at);
CREATE INDEX runs_latest ON scout_control.runs (dataset_id, created_at DESC);
CREATE UNIQUE INDEX runs_one_alive ON scout_control.runs (dataset_id) WHERE status IN ('queued', 'running', 'paused');
