// Small pieces of text that mean the same everywhere: times, commits, places in Git, objects.
import type { ComponentChildren } from 'preact';
import { now } from '../clock.ts';
import { zone } from '../display.ts';
import type { Commit, ListedCommit, ObjectName, Origin } from '../model.ts';
import { ago, ahead, local, utc } from '../time.ts';

/** How long ago; the moment itself, here and in UTC, on hover. */
export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={`${local(at)}\n${utc(at)}`}>
      {ago(at, now.value)}
    </time>
  );
}

/** How long until; the moment itself, here and in UTC, on hover. */
export function Until({ at }: { at: string }) {
  return (
    <time dateTime={at} title={`${local(at)}\n${utc(at)}`}>
      {Date.parse(at) > now.value ? `in ${ahead(at, now.value)}` : 'now'}
    </time>
  );
}

/** The moment itself, here or in UTC as the reader wishes; the other one on hover. */
export function Moment({ at }: { at: string }) {
  return (
    <time dateTime={at} title={zone.value === 'utc' ? local(at) : utc(at)}>
      {zone.value === 'utc' ? utc(at) : local(at)}
    </time>
  );
}

/** The first seven digits; all of them on hover. */
export function CommitId({ id }: { id: string }) {
  return (
    <code class="commit-id" title={id}>
      {id.slice(0, 7)}
    </code>
  );
}

/** Subject, author, id. */
export function CommitLine({ commit }: { commit: Commit | ListedCommit | null | undefined }) {
  if (!commit) return <span class="quiet">no commit yet</span>;
  return (
    <span class="commit">
      <span class="subject" title={commit.subject}>
        {commit.subject}
      </span>
      <span class="quiet">
        {commit.author} <CommitId id={commit.id} />
      </span>
    </span>
  );
}

export function Place({ origin }: { origin: Origin | null | undefined }) {
  if (!origin) return <span class="quiet">not in Git</span>;
  const at = origin.line ? `:${origin.line}` : origin.document > 1 ? ` #${origin.document}` : '';
  return (
    <code class="place">
      {origin.file}
      {at}
    </code>
  );
}

/** Kind and name, with the namespace where it is another one than expected. */
export function ObjectText({ object, home }: { object: ObjectName; home: string }) {
  return (
    <span class="object">
      <span class="kind" title={object.group ? `${object.kind}.${object.group}` : object.kind}>
        {object.kind}
      </span>{' '}
      {object.namespace && object.namespace !== home ? (
        <span class="quiet">{object.namespace}/</span>
      ) : null}
      <span class="name">{object.name}</span>
    </span>
  );
}

/** Text in which what stands between backticks is code. */
export function Prose({ text }: { text: string }) {
  const parts: ComponentChildren[] = text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
  return <>{parts}</>;
}
