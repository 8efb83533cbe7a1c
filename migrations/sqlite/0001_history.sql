-- History: what was synced and what was committed. It can be lost without any effect on the
-- cluster or on Git.
--
-- Times are RFC 3339 text in UTC with nine fractional digits, so that they sort as text.
-- Ids are ULIDs, so that they sort by time.

create table history (
    id text not null primary key,
    began_at text not null
);

create table syncs (
    id text not null primary key,
    namespace text not null,
    name text not null,
    cause text not null,
    branch text,
    commit_id text,
    commit_subject text,
    commit_author text,
    commit_time text,
    previous_commit text,
    queued_at text not null,
    started_at text not null,
    finished_at text,
    result text not null,
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

-- Pages of one application, and its newest sync that has ended, without reading rows.
create index syncs_by_application on syncs (namespace, name, id, result);
-- What still ran when the agent stopped, and what is older than retention allows.
create index syncs_by_result on syncs (result);
create index syncs_by_start on syncs (started_at);

create table sync_outcomes (
    sync_id text not null references syncs (id) on delete cascade,
    position bigint not null,
    api_group text not null,
    api_version text not null,
    kind text not null,
    namespace text,
    name text not null,
    origin_file text,
    origin_document bigint,
    origin_line bigint,
    action text not null,
    reason text,
    detail text,
    note text not null,
    primary key (sync_id, position)
);

create table updates (
    id text not null primary key,
    namespace text not null,
    name text not null,
    repository text not null,
    image text not null,
    old_value text not null,
    new_value text not null,
    files text not null,
    commit_id text not null,
    pushed_at text not null
);

create index updates_by_policy on updates (namespace, name, id);
create index updates_by_time on updates (pushed_at);
