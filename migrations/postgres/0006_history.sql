-- The schema of version 6, the first on PostgreSQL. From here on each migration has the number of
-- the one for SQLite. A migration adds, and where an older version could no longer write,
-- `history.writable_from` says so.
--
-- Text that is compared or sorted has the collation "C", so that it sorts by its bytes whatever the
-- language of the database is, as in SQLite. Times are RFC 3339 text in UTC with nine fractional
-- digits, ids are ULIDs: both sort by time. Digests are 16 bytes.

create table history (
    id text collate "C" not null primary key,
    began_at text collate "C" not null,
    writable_from bigint not null default 6
);

create table syncs (
    id text collate "C" not null primary key,
    namespace text collate "C" not null,
    name text collate "C" not null,
    cause text collate "C" not null,
    branch text,
    commit_id text,
    commit_subject text,
    commit_author text,
    commit_time text,
    previous_commit text,
    queued_at text not null,
    started_at text collate "C" not null,
    finished_at text,
    result text collate "C" not null,
    failure_reason text,
    failure_detail text,
    created bigint not null,
    updated bigint not null,
    pruned bigint not null,
    skipped bigint not null,
    failed bigint not null,
    unchanged bigint not null,
    drifted bigint not null,
    steps text not null,
    drift text not null
);

create index syncs_by_application on syncs (namespace, name, id, result);
create index syncs_by_start on syncs (started_at);
create index syncs_of_result on syncs (result, id);
create index syncs_of_cause on syncs (cause, id);

create table manifests (
    digest bytea not null primary key,
    seen_at text collate "C" not null,
    body text not null
);

create table sync_outcomes (
    sync_id text collate "C" not null references syncs (id) on delete cascade,
    position bigint not null,
    api_group text collate "C" not null,
    api_version text not null,
    kind text collate "C" not null,
    namespace text collate "C",
    name text collate "C" not null,
    origin_file text,
    origin_document bigint,
    origin_line bigint,
    action text not null,
    reason text,
    detail text,
    note text not null,
    changes text,
    manifest bytea,
    primary key (sync_id, position)
);

create index sync_outcomes_by_manifest on sync_outcomes (manifest) where manifest is not null;

create table updates (
    id text collate "C" not null primary key,
    namespace text collate "C" not null,
    name text collate "C" not null,
    repository text not null,
    image text not null,
    old_value text not null,
    new_value text not null,
    files text not null,
    commit_id text not null,
    pushed_at text collate "C" not null
);

create index updates_by_policy on updates (namespace, name, id);
create index updates_by_time on updates (pushed_at);

create table health_changes (
    id text collate "C" not null primary key,
    namespace text collate "C" not null,
    name text collate "C" not null,
    began_at text not null,
    changed_at text collate "C" not null,
    from_health text not null,
    to_health text not null,
    object text,
    message text not null,
    branch text,
    commit_id text,
    sync_id text,
    changes bigint not null
);

create index health_changes_by_application on health_changes (namespace, name, id);
create index health_changes_by_time on health_changes (changed_at);

create table audit (
    id text collate "C" not null primary key,
    called_at text collate "C" not null,
    actor text collate "C" not null,
    address text,
    action text collate "C" not null,
    kind text collate "C" not null,
    namespace text collate "C" not null,
    name text collate "C" not null,
    detail text not null,
    failure_reason text,
    failure_detail text
);

create index audit_by_target on audit (namespace, name, id);
create index audit_by_time on audit (called_at);

create table deliveries (
    id text collate "C" not null primary key,
    received_at text collate "C" not null,
    provider text not null,
    delivery text not null,
    event text not null,
    branch text,
    verdict text not null,
    reason text not null,
    repositories text not null
);

create index deliveries_by_time on deliveries (received_at);

-- What each application was applied from; see the migrations for SQLite.
create table kept_applications (
    namespace text collate "C" not null,
    name text collate "C" not null,
    commit_id text not null,
    inputs bytea not null,
    images text not null,
    reads text not null,
    others text not null default '{}',
    primary key (namespace, name)
);

create table kept_objects (
    namespace text collate "C" not null,
    name text collate "C" not null,
    api_group text collate "C" not null,
    kind text collate "C" not null,
    object_namespace text collate "C" not null,
    object_name text collate "C" not null,
    api_version text not null,
    origin_file text not null,
    origin_document bigint not null,
    origin_line bigint,
    applied bytea not null,
    uid text,
    resource_version text,
    ours bytea,
    others bytea,
    primary key (namespace, name, api_group, kind, object_namespace, object_name),
    foreign key (namespace, name) references kept_applications (namespace, name) on delete cascade
);

-- What others changed: few syncs found any.
create index syncs_drifted on syncs (id) where drifted > 0;
create index deliveries_by_verdict on deliveries (verdict, id);
