-- What each application was applied from, and what the cluster answered. Written after the
-- answer, so that a row is at most older than the cluster; it can be lost at the price of a render.
--
-- Digests are blobs of 16 bytes. A namespace of '' is that of an object of the cluster's own scope.

create table kept_applications (
    namespace text not null,
    name text not null,
    commit_id text not null,
    inputs blob not null,
    images text not null,
    -- Last, since it is the longest and the least likely to change.
    reads text not null,
    primary key (namespace, name)
);

-- Without row ids the objects of an application lie side by side.
create table kept_objects (
    namespace text not null,
    name text not null,
    api_group text not null,
    kind text not null,
    object_namespace text not null,
    object_name text not null,
    api_version text not null,
    origin_file text not null,
    origin_document bigint not null,
    origin_line bigint,
    applied blob not null,
    -- All four, or none while no write has succeeded.
    uid text,
    resource_version text,
    ours blob,
    others blob,
    primary key (namespace, name, api_group, kind, object_namespace, object_name),
    foreign key (namespace, name) references kept_applications (namespace, name) on delete cascade
) without rowid;
