// Logs as they are written: a stream that lives as long as the pane, kept up to 10,000 lines.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Failed, open } from '../client.ts';
import { zone } from '../display.ts';
import { compiled, levels, most, read, Ring, Splitter, text, type Level, type Line } from '../logs.ts';
import type { LogLine } from '../model.ts';
import { part } from '../sight.ts';
import { Mark } from './mark.tsx';
import { Trouble } from './states.tsx';

interface Pod {
  namespace: string;
  name: string;
  containers: string[];
}

/** What is read, as the address has it: what is empty is left out. */
export type Choice = Partial<Record<'pod' | 'container' | 'since' | 'previous' | 'follow', string>>;

interface Props {
  path: string;
  pods: Pod[];
  start: Choice;
  onChoice?: (choice: Choice) => void;
}

/** Height of a line that is not wrapped, as the style sheet has it. */
const height = 20;
/** Lines that are drawn where they are wrapped. */
const wrapped = 1000;
/** Lines that come together are drawn together. */
const gather = 100;

const ages: [string, string, number][] = [
  ['', 'all that is kept', 0],
  ['5m', '5 minutes', 5 * 60],
  ['1h', '1 hour', 3600],
  ['6h', '6 hours', 6 * 3600],
  ['1d', '1 day', 86_400],
];

type State = { is: 'reading' } | { is: 'ended'; why: string } | { is: 'failed'; error: Failed };

export function LogPane({ path, pods, start, onChoice }: Props) {
  const [choice, setChoice] = useState<Choice>(start);
  const [level, setLevel] = useState<Level | ''>('');
  const [pattern, setPattern] = useState('');
  // A narrow screen shows nothing of a line but its beginning.
  const [wrap, setWrap] = useState(() => window.matchMedia('(max-width: 760px)').matches);
  const follow = choice.follow !== 'no';
  const change = (more: Choice) => {
    const next = { ...choice, ...more };
    setChoice(next);
    onChoice?.(next);
  };
  const { lines, notes, state, dropped, again } = useLog(path, pods, choice);
  const filter = compiled({ level, pattern });
  const fits = 'fits' in filter ? filter.fits : undefined;
  const shown = useMemo(() => (fits ? lines.filter(fits) : lines.slice()), [lines, level, pattern]);
  const pod = pods.find((one) => `${one.namespace}/${one.name}` === choice.pod);
  const containers = pod ? pod.containers : [...new Set(pods.flatMap((one) => one.containers))];
  return (
    <>
      <div class="tools log-tools">
        <Select label="Pod" value={choice.pod ?? ''} set={(value) => change({ pod: value, container: '' })}>
          <option value="">all {pods.length} pods</option>
          {pods.map((one) => (
            <option key={`${one.namespace}/${one.name}`} value={`${one.namespace}/${one.name}`}>
              {one.name}
            </option>
          ))}
        </Select>
        <Select label="Container" value={choice.container ?? ''} set={(value) => change({ container: value })}>
          <option value="">all containers</option>
          {containers.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </Select>
        <Select label="Since" value={choice.since ?? ''} set={(value) => change({ since: value })}>
          {ages.map(([id, word]) => (
            <option key={id} value={id}>
              {word}
            </option>
          ))}
        </Select>
        <Check label="Previous run" value={choice.previous === 'yes'} set={(on) => change({ previous: on ? 'yes' : '' })} />
        <Check label="Follow" value={follow} set={(on) => change({ follow: on ? '' : 'no' })} />
      </div>
      <div class="tools log-tools">
        <label>
          <span class="unseen">Only lines that fit a regular expression</span>
          <input
            id="search"
            type="search"
            placeholder="Regular expression"
            value={pattern}
            aria-invalid={'wrong' in filter}
            aria-describedby="log-says"
            onInput={(event) => setPattern(event.currentTarget.value)}
          />
        </label>
        <Select label="Level" value={level} set={(value) => setLevel(value as Level | '')}>
          <option value="">every level</option>
          {levels.map((one, index) => (
            <option key={one} value={one}>
              {index === 0 ? one : `${one} and worse`}
            </option>
          ))}
        </Select>
        <Check label="Wrap" value={wrap} set={setWrap} />
        <button type="button" disabled={shown.length === 0} onClick={() => download(shown)}>
          Download
        </button>
      </div>
      <p class={'wrong' in filter ? 'invalid' : 'quiet'} id="log-says" role="status">
        {'wrong' in filter ? `The expression is not valid: ${filter.wrong}` : said(lines.length, shown.length, dropped)}
      </p>
      {state.is === 'failed' ? (
        <Trouble error={state.error} retry={again} />
      ) : (
        <>
          {notes.map((note) => (
            <p key={note} class="quiet">
              {note}
            </p>
          ))}
          <LineList lines={shown} several={!choice.pod || !choice.container} wrap={wrap} stick={follow && state.is === 'reading'} />
          <p class="quiet log-end">
            {state.is === 'reading' ? (
              <Mark look={{ word: follow ? 'following' : 'reading', tone: 'busy', shape: 'half' }} />
            ) : (
              <>
                It ended: {state.why}.{' '}
                <button type="button" class="small" onClick={again}>
                  Read again
                </button>
              </>
            )}
          </p>
        </>
      )}
    </>
  );
}

/** The lines that were read, and how the reading goes. It ends with the pane. */
function useLog(path: string, pods: Pod[], choice: Choice) {
  const ring = useRef(new Ring());
  const [, redraw] = useState(0);
  const [round, setRound] = useState(0);
  const [state, setState] = useState<State>({ is: 'reading' });
  const notes = useRef<string[]>([]);
  const query = asked(choice);
  const none = pods.length === 0;

  useEffect(() => {
    ring.current.clear();
    notes.current = [];
    if (none) {
      setState({ is: 'ended', why: 'the application has no pods' });
      return undefined;
    }
    setState({ is: 'reading' });
    const aborter = new AbortController();
    let waiting: LogLine[] = [];
    let timer: number | undefined;
    const draw = () => {
      timer = undefined;
      ring.current.add(waiting);
      waiting = [];
      redraw((n) => n + 1);
    };
    const soon = () => {
      timer ??= window.setTimeout(draw, gather);
    };
    const run = async () => {
      const response = await open(`${path}/logs?${query(Date.now())}`, aborter.signal);
      const splitter = new Splitter();
      const decoder = new TextDecoder();
      const reader = response.body?.getReader();
      let why = 'the connection broke';
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) break;
        for (const line of splitter.take(decoder.decode(part.value, { stream: true }))) {
          const entry = read(line);
          if (entry?.type === 'line') waiting.push(entry);
          if (entry?.type === 'note') notes.current = [...notes.current, named(entry)];
          if (entry?.type === 'end') why = entry.text;
        }
        soon();
      }
      if (!aborter.signal.aborted) setState({ is: 'ended', why });
    };
    run().catch((error: unknown) => {
      if (aborter.signal.aborted) return;
      // A stream that breaks in the middle is an end, and no answer that failed.
      if (error instanceof Failed) setState({ is: 'failed', error });
      else setState({ is: 'ended', why: 'the connection broke' });
    });
    return () => {
      aborter.abort();
      window.clearTimeout(timer);
    };
  }, [path, JSON.stringify(choice), none, round]);

  return {
    lines: ring.current.all(),
    notes: notes.current,
    state,
    dropped: ring.current.dropped,
    again: () => setRound((n) => n + 1),
  };
}

function named(note: { pod?: string | null; container?: string | null; text: string }): string {
  return note.pod ? `${note.pod}/${note.container ?? ''}: ${note.text}.` : `${note.text}.`;
}

/** The question for a choice, at a time. */
function asked(choice: Choice): (now: number) => string {
  return (now) => {
    const query = new URLSearchParams();
    if (choice.pod) {
      const [namespace = '', name = ''] = choice.pod.split('/');
      query.set('namespace', namespace);
      query.set('pod', name);
    }
    if (choice.container) query.set('container', choice.container);
    if (choice.previous === 'yes') query.set('previous', 'true');
    const age = ages.find(([id]) => id === choice.since)?.[2] ?? 0;
    if (age > 0) query.set('since', new Date(now - age * 1000).toISOString());
    query.set('tail', choice.pod ? '5000' : '500');
    if (choice.follow !== 'no' && choice.previous !== 'yes') query.set('follow', 'true');
    return query.toString();
  };
}

function said(all: number, shown: number, dropped: number): string {
  const count = (lines: number) => `${lines.toLocaleString()} ${lines === 1 ? 'line' : 'lines'}`;
  const some = shown === all ? count(all) : `${shown.toLocaleString()} of ${count(all)}`;
  return dropped > 0 ? `${some}; the newest ${most.toLocaleString()} are kept` : some;
}

function LineList({ lines, several, wrap, stick }: { lines: readonly Line[]; several: boolean; wrap: boolean; stick: boolean }) {
  const pane = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [below, setBelow] = useState(true);
  const room = pane.current?.clientHeight ?? 600;
  const all = wrap ? lines.slice(-wrapped) : lines;
  const drawn = wrap ? { from: 0, to: all.length, above: 0, below: 0 } : part(all.length, height, top, room, 40);
  useEffect(() => {
    if (stick && below && pane.current) pane.current.scrollTop = pane.current.scrollHeight;
  }, [lines, stick, below, wrap]);
  const onScroll = () => {
    const element = pane.current;
    if (!element) return;
    setTop(element.scrollTop);
    setBelow(element.scrollHeight - element.scrollTop - element.clientHeight < 2 * height);
  };
  return (
    <>
      <div ref={pane} class={wrap ? 'lines wrap' : 'lines'} role="log" aria-live="off" aria-label="Lines" tabIndex={0} onScroll={onScroll}>
        <div style={{ height: `${drawn.above}px` }} />
        {all.slice(drawn.from, drawn.to).map((line) => (
          <div key={line.number} class={line.level ? `line ${line.level}` : 'line'}>
            <span class="level" title={line.level}>
              {line.level ? line.level.charAt(0).toUpperCase() : ' '}
            </span>
            <span class="at" title={line.time ?? undefined}>
              {line.time ? clock(line.time) : ''}
            </span>
            {several ? <span class="from">{`${line.pod}/${line.container}`}</span> : null}
            <span class="text">{line.text}</span>
          </div>
        ))}
        <div style={{ height: `${drawn.below}px` }} />
        {lines.length === 0 ? <p class="nothing">No line yet.</p> : null}
      </div>
      {wrap && lines.length > wrapped ? (
        <p class="quiet">The newest {wrapped.toLocaleString()} lines are drawn while they are wrapped.</p>
      ) : null}
      {stick && !below ? (
        <button type="button" class="small newest" onClick={() => setBelow(true)}>
          To the newest line
        </button>
      ) : null}
    </>
  );
}

/** The time of day with thousandths, here or in UTC as the reader wishes. */
function clock(time: string): string {
  const at = new Date(time);
  const shift = zone.value === 'utc' ? 0 : at.getTimezoneOffset() * 60_000;
  return new Date(at.getTime() - shift).toISOString().slice(11, 23);
}

function download(lines: readonly Line[]): void {
  const address = URL.createObjectURL(new Blob([text(lines)], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `log-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.txt`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function Select(props: { label: string; value: string; set: (value: string) => void; children: preact.ComponentChildren }) {
  return (
    <label>
      <span class="unseen">{props.label}</span>
      <select value={props.value} onChange={(event) => props.set(event.currentTarget.value)}>
        {props.children}
      </select>
    </label>
  );
}

function Check({ label, value, set }: { label: string; value: boolean; set: (on: boolean) => void }) {
  return (
    <label class="choice">
      <input type="checkbox" checked={value} onChange={(event) => set(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}
