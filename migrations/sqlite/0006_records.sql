-- What objects were applied as, calls through the API, and deliveries of webhooks.
--
-- From here on a version may write a database of the next one: a migration adds, and where an
-- older version could no longer write, `history.writable_from` says so.

alter table history add column writable_from bigint not null default 6;

-- Each masked manifest once, whatever names it. A digest is a blob of 16 bytes.
create table manifests (
    digest blob not null primary key,
    -- When it was last named, so that the retention leaves alone what is just being written.
    seen_at text not null,
    body text not null
);

alter table sync_outcomes add column manifest blob;
create index sync_outcomes_by_manifest on sync_outcomes (manifest) where manifest is not null;

-- Pages of all applications: newest first, also of one result or one cause.
drop index syncs_by_result;
create index syncs_of_result on syncs (result, id);
create index syncs_of_cause on syncs (cause, id);

create table audit (
    id text not null primary key,
    called_at text not null,
    actor text not null,
    address text,
    action text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    detail text not null,
    failure_reason text,
    failure_detail text
);

create index audit_by_target on audit (namespace, name, id);
create index audit_by_time on audit (called_at);

create table deliveries (
    id text not null primary key,
    received_at text not null,
    provider text not null,
    delivery text not null,
    event text not null,
    branch text,
    verdict text not null,
    reason text not null,
    repositories text not null
);

create index deliveries_by_time on deliveries (received_at);

-- What others changed: few syncs found any.
create index syncs_drifted on syncs (id) where drifted > 0;
create index deliveries_by_verdict on deliveries (verdict, id);
