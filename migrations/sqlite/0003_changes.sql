-- What Git changed in an object, as a JSON list of paths with the values before and after, in which
-- values of Secrets are masked. Null where nothing is known to have changed.
alter table sync_outcomes add column changes text;
