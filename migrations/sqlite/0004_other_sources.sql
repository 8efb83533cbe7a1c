-- What was read of the other sources of an Application: JSON of name -> {repository, commit, reads}.

alter table kept_applications add column others text not null default '{}';
