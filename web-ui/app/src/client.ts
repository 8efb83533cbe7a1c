// Asks the API, and turns every failure into one kind of error.
import { answered } from './live.ts';

/** A request that failed, with what a person can read. */
export class Failed extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** The number of the request, under which the agent's log tells more. */
    readonly request?: string,
    /** Which part of what was asked is wrong, in characters. */
    readonly at?: { from: number; to: number },
  ) {
    super(message);
  }

  /** Whatever was thrown, as such a failure. */
  static of(cause: unknown): Failed {
    return cause instanceof Failed ? cause : new Failed('unknown', String(cause));
  }
}

/** The path of an application in the API. */
export function applicationPath(namespace: string, name: string): string {
  return `applications/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

/** The answer and its tag; `undefined` where it would be the one with the tag that is known. */
export async function getIfNew<T>(
  path: string,
  known: string | undefined,
  signal: AbortSignal,
): Promise<{ data: T; tag: string | undefined } | undefined> {
  const response = await send(path, { signal, headers: known ? { 'if-none-match': known } : {} });
  if (response.status === 304) return undefined;
  return { data: (await response.json()) as T, tag: response.headers.get('etag') ?? undefined };
}

/** An answer that is read while it comes; ends when the signal says so. */
export function open(path: string, signal: AbortSignal): Promise<Response> {
  return send(path, { signal });
}

/** Has something done; without a key it is only said what would happen. */
export async function act<T>(
  path: string,
  body: Record<string, unknown>,
  key: string | undefined,
  signal?: AbortSignal,
): Promise<T> {
  const named = key === undefined ? {} : { 'idempotency-key': key };
  const response = await send(`${path}/actions${key === undefined ? '?dryRun=true' : ''}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...named },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
  return (await response.json()) as T;
}

async function send(path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`api/v1/${path}`, options);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Failed('unreachable', 'the agent cannot be reached');
  }
  answered(response.headers.get('x-changes-at'));
  if (response.ok || response.status === 304) return response;
  const body: unknown = await response.json().catch(() => null);
  const error = (body as { error?: { code?: string; message?: string; at?: { from: number; to: number } } } | null)?.error;
  throw new Failed(
    error?.code ?? `status-${response.status}`,
    error?.message ?? `the agent answered with status ${response.status}`,
    response.headers.get('x-request-id') ?? undefined,
    error?.at,
  );
}
