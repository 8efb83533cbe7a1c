// Times and durations in words.

/** How long ago, in one unit: `12s`, `4m`, `3h`, `9d`. A time to come is `0s`. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** How long until, in one unit, like `ago`. A time that has passed is `0s`. */
export function ahead(time: string, now: number): string {
  return ago(new Date(now).toISOString(), Date.parse(time));
}

/** A length in seconds, in at most two units: `45s`, `10m`, `1h 30m`, `3d`. */
export function length(seconds: number): string {
  const units: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ];
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [size, unit] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.slice(0, 2).join(' ') || '0s';
}

/** A duration in microseconds, with three digits at most: `840 µs`, `2.3 ms`, `71 ms`, `1.4 s`, `2m 03s`. */
export function duration(micros: number): string {
  if (micros < 1000) return `${Math.round(micros)} µs`;
  const millis = micros / 1000;
  if (millis < 10) return `${millis.toFixed(1)} ms`;
  if (millis < 999.5) return `${Math.round(millis)} ms`;
  const seconds = millis / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`;
}

/** Microseconds between two times. */
export function between(start: string, end: string): number {
  return Math.max(0, Date.parse(end) - Date.parse(start)) * 1000;
}

// Making one takes longer than all else of a row of a list.
const here = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
});

/** Date and time of day where the reader is, with the zone. */
export function local(time: string): string {
  return here.format(new Date(time));
}

/** The day of a moment, where the reader is or in UTC. */
export function day(time: string, zone: 'local' | 'utc'): string {
  return new Date(time).toLocaleDateString(undefined, {
    weekday: 'short',
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  });
}

/** The same moment in UTC, to the second. */
export function utc(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
