// The tags of an image, each with its verdict: by rule, by text, part by part; and what a tag would be.
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import type { Change, ImageDetail, RuleCount, TagAnswer, TagFacts, TagList, TagVerdict } from '../model.ts';
import { link, searchFor, type Route } from '../route.ts';
import { isTag, tagsPath } from '../tags.ts';
import * as words from '../words.ts';
import { Chip } from './chip.tsx';
import { Mark } from './mark.tsx';
import { Trouble } from './states.tsx';
import { Prose, Time } from './text.tsx';

interface Props {
  path: string;
  concerns: (change: Change) => boolean;
  detail: ImageDetail;
  rule: string;
  query: string;
}

export function Tags(props: Props) {
  const { path, concerns, detail, rule, query } = props;
  const { namespace, name } = detail.summary;
  const here = (rule: string, query: string): Route => ({ page: 'image', namespace, name, rule, query });
  const all = detail.counts.reduce((sum, count) => sum + count.tags, 0);
  return (
    <section aria-labelledby="tags">
      <h2 id="tags">
        Tags <span class="count">{all}</span>
      </h2>
      {all === 0 ? (
        <p class="nothing">No tag of the image is known yet.</p>
      ) : (
        <>
          <div class="tools">
            <search>
              <input
                id="search"
                type="search"
                aria-label="Search tags"
                placeholder="Search tags"
                maxLength={128}
                spellcheck={false}
                autocomplete="off"
                value={query}
                onInput={(event) => searchFor(here(rule, event.currentTarget.value))}
              />
            </search>
            <p class="tally">
              {detail.counts.map((count) => (
                <Rule key={count.rule} count={count} chosen={count.rule === rule} to={(to) => link(here(to, query))} />
              ))}
            </p>
          </div>
          <Table path={path} concerns={concerns} rule={rule} query={query} everything={link(here('', ''))} />
        </>
      )}
      {detail.summary.image ? <WhatIf path={path} concerns={concerns} /> : null}
    </section>
  );
}

function Rule({ count, chosen, to }: { count: RuleCount; chosen: boolean; to: (rule: string) => string }) {
  const look = words.verdict(count.verdict);
  return (
    <Chip chosen={chosen} to={to(chosen ? '' : count.rule)}>
      <Mark look={{ ...look, word: `${count.tags} ${words.rule(count.rule)}` }} />
    </Chip>
  );
}

interface TableProps {
  path: string;
  concerns: (change: Change) => boolean;
  rule: string;
  query: string;
  everything: string;
}

function Table({ path, concerns, rule, query, everything }: TableProps) {
  // Where the parts begin that are shown; another search begins anew.
  const asked = `${rule} ${query}`;
  const [more, setMore] = useState<{ asked: string; from: number[] }>({ asked, from: [] });
  const from = more.asked === asked ? more.from : [];
  return (
    <Part
      path={path}
      concerns={concerns}
      rule={rule}
      query={query}
      from={0}
      first={(list, rows) =>
        list.total === 0 ? (
          <p class="nothing">
            No tag matches. <a href={everything}>Show all</a>
          </p>
        ) : (
          <>
            <p class="unseen" role="status">
              {list.total} {list.total === 1 ? 'tag' : 'tags'}
            </p>
            <table class="list stack tags">
              <thead>
                <tr>
                  <th scope="col">Verdict</th>
                  <th scope="col">Tag</th>
                  <th scope="col">Why</th>
                  <th scope="col" class="wide">Image</th>
                </tr>
              </thead>
              <tbody>
                {rows}
                {from.map((at) => (
                  <Part key={at} path={path} concerns={concerns} rule={rule} query={query} from={at} />
                ))}
              </tbody>
            </table>
            <Further list={list} shown={from} show={(at) => setMore({ asked, from: [...from, at] })} />
          </>
        )
      }
    />
  );
}

/** The button for the next part. All parts but the last are as long as the first. */
function Further({ list, shown, show }: { list: TagList; shown: number[]; show: (from: number) => void }) {
  const size = list.items.length;
  const next = size * (shown.length + 1);
  if (size === 0 || next >= list.total) return null;
  return (
    <p class="more">
      <button type="button" onClick={() => show(next)}>
        Show {Math.min(size, list.total - next)} more of {list.total}
      </button>
    </p>
  );
}

interface PartProps {
  path: string;
  concerns: (change: Change) => boolean;
  rule: string;
  query: string;
  from: number;
  /** Puts the rows of the first part into their table. */
  first?: (list: TagList, rows: ComponentChildren) => ComponentChildren;
}

function Part({ path, concerns, rule, query, from, first }: PartProps) {
  const loaded = useLoaded<TagList>(tagsPath(path, rule, query, from), concerns);
  // What is typed is answered soon: until then the last answer is worth more than nothing.
  const last = useRef<TagList | undefined>(undefined);
  if (loaded.data) last.current = loaded.data;
  const list = loaded.data ?? last.current;
  if (loaded.error && !loaded.data) {
    const trouble = <Trouble error={loaded.error} retry={loaded.reload} />;
    return first ? trouble : <Across>{trouble}</Across>;
  }
  if (!list) {
    const waiting = <p class="nothing" role="status">Loading tags…</p>;
    return first ? waiting : <Across>{waiting}</Across>;
  }
  const rows = list.items.map((item) => <Row key={item.tag} item={item} />);
  return <>{first ? first(list, rows) : rows}</>;
}

function Across({ children }: { children: ComponentChildren }) {
  return (
    <tr>
      <td colSpan={4}>{children}</td>
    </tr>
  );
}

function Row({ item }: { item: TagVerdict }) {
  return (
    <tr>
      <td class="state">
        <Mark look={words.verdict(item.verdict)} />
      </td>
      <td>
        <code>{item.tag}</code>
      </td>
      <td class="quiet">
        <Prose text={item.sentence} />
        {item.facts ? (
          <span class="narrow">
            <Facts facts={item.facts} />
          </span>
        ) : null}
      </td>
      <td class="wide quiet">{item.facts ? <Facts facts={item.facts} /> : null}</td>
    </tr>
  );
}

function Facts({ facts }: { facts: TagFacts }) {
  return (
    <>
      {facts.created ? (
        <>
          built <Time at={facts.created} /> ago,{' '}
        </>
      ) : null}
      <code title={facts.digest}>{facts.digest.slice(0, 19)}</code>
      {facts.platforms.length > 0 ? <span class="field">{facts.platforms.join(' ')}</span> : null}
    </>
  );
}

/** Says what would become of a tag that is typed in. */
function WhatIf({ path, concerns }: { path: string; concerns: (change: Change) => boolean }) {
  const [text, setText] = useState('');
  const tag = text.trim();
  return (
    <div class="what-if">
      <h3>
        <label for="what-if">What would become of a tag?</label>
      </h3>
      <input
        id="what-if"
        type="text"
        placeholder="a tag, for example 2.5.0"
        maxLength={128}
        spellcheck={false}
        autocomplete="off"
        aria-describedby="what-if-says"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <div id="what-if-says" role="status">
        {tag === '' ? null : isTag(tag) ? (
          <Judged path={path} concerns={concerns} tag={tag} />
        ) : (
          <p class="remark">No registry takes that for a tag.</p>
        )}
      </div>
    </div>
  );
}

function Judged({ path, concerns, tag }: { path: string; concerns: (change: Change) => boolean; tag: string }) {
  const { data, error } = useLoaded<TagAnswer>(`${path}/tags/${encodeURIComponent(tag)}`, concerns);
  if (!data) return error ? <p class="remark">{error.message}</p> : null;
  const { verdict, listed } = data;
  return (
    <p>
      <Mark look={words.verdict(verdict.verdict)} />{' '}
      <span class="quiet">
        <code>{tag}</code>: <Prose text={verdict.sentence} />
        {listed ? '' : '; the registry does not list it'}
      </span>
    </p>
  );
}
