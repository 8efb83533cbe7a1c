-- When an application came into another health, and why. Several changes within a short time are
-- one row, which tells the first `from_health` and the last `to_health`.

create table health_changes (
    id text not null primary key,
    namespace text not null,
    name text not null,
    began_at text not null,
    changed_at text not null,
    from_health text not null,
    to_health text not null,
    object text,
    message text not null,
    branch text,
    commit_id text,
    -- The sync that it came with; null where it came by itself.
    sync_id text,
    changes bigint not null
);

create index health_changes_by_application on health_changes (namespace, name, id);
create index health_changes_by_time on health_changes (changed_at);
