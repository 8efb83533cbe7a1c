// Lines of logs: taken from a stream, kept up to a number, sorted by time, filtered.
import type { LogEntry, LogLine } from './model.ts';

/** Most lines that are kept; the oldest go first. */
export const most = 10_000;
/** How much of a line a filter looks at. */
const looked = 4000;

export type Level = 'error' | 'warning' | 'info' | 'debug';
export const levels: Level[] = ['error', 'warning', 'info', 'debug'];

export interface Line extends LogLine {
  /** Counts on; no two lines have the same one. */
  number: number;
  level: Level | undefined;
}

/** Takes chunks of text, gives whole lines. */
export class Splitter {
  private rest = '';

  take(chunk: string): string[] {
    const parts = (this.rest + chunk).split('\n');
    this.rest = parts.pop() ?? '';
    return parts.filter((part) => part !== '');
  }
}

/** What a line of the stream says; nothing where it cannot be read. */
export function read(line: string): LogEntry | undefined {
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return undefined;
  }
}

const named: [Level, RegExp][] = [
  ['error', /\b(?:error|err|fatal|critical|crit|panic|emerg|alert|severe)\b/i],
  ['warning', /\b(?:warn|warning)\b/i],
  ['info', /\b(?:info|notice|information)\b/i],
  ['debug', /\b(?:debug|trace|verbose)\b/i],
];
/** `level=warn`, `"severity": "ERROR"`. */
const field = /\b(?:level|lvl|severity)"?\s*[=:]\s*"?([a-z]+)/i;
/** `E1121 10:00:00.000000`, as programs of Kubernetes write. */
const klog = /^([EFWID])\d{4} \d\d:/;
const ofLetter: Record<string, Level> = { E: 'error', F: 'error', W: 'warning', I: 'info', D: 'debug' };

/** How serious a line says that it is. */
export function levelOf(text: string): Level | undefined {
  const start = text.slice(0, 400);
  const letter = klog.exec(start)?.[1];
  if (letter) return ofLetter[letter];
  const said = field.exec(start)?.[1];
  if (said) return named.find(([, pattern]) => pattern.test(said))?.[0];
  // A word of the message is not its level: it stands at the beginning, after a time perhaps.
  const head = start.replace(/^[\s\d:.,TZ+/[\]-]+/, '').slice(0, 24);
  const word = /^[[(<]?([A-Za-z]+)[\])>:|\s]/.exec(`${head} `)?.[1];
  if (!word || (word !== word.toUpperCase() && !/^[[(<]/.test(head) && !head.startsWith(`${word}:`))) return undefined;
  return named.find(([, pattern]) => pattern.test(word))?.[0];
}

/** Whether a line goes on with what the line before it said: a trace of a stack. */
function goesOn(text: string): boolean {
  return /^(?:\s+\S|Caused by:|Traceback |\.\.\. \d+ more)/.test(text);
}

/** The lines that are kept. */
export class Ring {
  private lines: Line[] = [];
  private last = 0;
  private before = new Map<string, Level | undefined>();
  /** How many were dropped, because there are more than are kept. */
  dropped = 0;

  constructor(private readonly room = most) {}

  all(): readonly Line[] {
    return this.lines;
  }

  clear(): void {
    this.lines = [];
    this.before.clear();
    this.dropped = 0;
  }

  /** Adds lines at their place in time; the containers of a pod write at the same time. */
  add(lines: LogLine[]): void {
    const kept = this.lines.slice();
    for (const line of lines) {
      this.last += 1;
      const source = `${line.pod}/${line.container}`;
      const level = levelOf(line.text) ?? (goesOn(line.text) ? this.before.get(source) : undefined);
      this.before.set(source, level);
      const whole = { ...line, number: this.last, level };
      const newest = kept.at(-1);
      if (!newest?.time || !line.time || newest.time <= line.time) {
        kept.push(whole);
      } else {
        kept.splice(place(kept, line.time), 0, whole);
      }
    }
    const over = Math.max(0, kept.length - this.room);
    this.dropped += over;
    this.lines = over > 0 ? kept.slice(over) : kept;
  }
}

/** Behind the last line that is not younger. */
function place(lines: Line[], time: string): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = lines[middle]!.time;
    if (there && there > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

export interface Filter {
  /** Lines that are less serious, or do not say, are left out; empty for all. */
  level: Level | '';
  /** A regular expression; empty for all. */
  pattern: string;
}

/** The filter as a function, or what is wrong with its expression. */
export function compiled(filter: Filter): { fits: (line: Line) => boolean } | { wrong: string } {
  const worst = filter.level === '' ? levels.length : levels.indexOf(filter.level);
  const serious = (line: Line) => worst === levels.length || (line.level !== undefined && levels.indexOf(line.level) <= worst);
  if (filter.pattern === '') return { fits: serious };
  try {
    const pattern = new RegExp(filter.pattern, 'i');
    return { fits: (line) => serious(line) && pattern.test(line.text.slice(0, looked)) };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : 'it cannot be read' };
  }
}

/** Lines as a file. */
export function text(lines: readonly Line[]): string {
  const parts = lines.map(({ time, pod, container, text }) => `${time ? `${time} ` : ''}${pod}/${container} ${text}\n`);
  return parts.join('');
}
