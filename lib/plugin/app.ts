/**
 * The plugin protocol over HTTP (engine's plugin API v1.2). Every answer is one the engine
 * understands: 200 with the result, or 200 with the message under both keys that engines look at
 * (network calls read `Err`, IPAM calls read `Error`); a call we do not know is a 404, which engines
 * tolerate where they may. What is refused has changed nothing and is logged once.
 */
import { Hono, type Context } from 'hono';
import type { Clock } from '../clock.ts';
import { asFairleadError, describeError, FairleadError, type ErrorCode } from '../errors.ts';
import { requestsInFlightMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import { parseBody, readBody } from './body.ts';
import { bareCalls, callBoundMs, type BareCall, type PluginHandlers } from './handlers.ts';
import { requestSchemas, type CallName } from './schemas.ts';
import { withinBound } from './within-bound.ts';

/** Media type of the protocol. */
const mediaType = 'application/vnd.docker.plugins.v1.2+json';

/** A call that was answered, for whoever counts them. */
export interface AnsweredCall {
  /** Such as `NetworkDriver.Join`; whatever was asked for when the code is REQUEST_UNKNOWN. */
  readonly call: string;
  readonly ms: number;
  /** Undefined when it succeeded. */
  readonly code: ErrorCode | undefined;
}

/** What the application is made of. */
export interface PluginAppParts {
  readonly handlers: PluginHandlers;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every answer. */
  readonly onCall?: (answered: AnsweredCall) => void;
}

/** Longest text of a request that is shown in a message or a log line. */
const shownCharactersMax = 128;

/** The application that serves one plugin socket. */
export function createPluginApp(parts: PluginAppParts): Hono {
  const app = new Hono();
  const calls: CallCount = { inWork: 0 };
  app.all('*', async (context) => {
    const name = shown(context.req.path.slice(1));
    const startedMs = parts.clock.monotonicMs();
    const facts: Record<string, unknown> = { call: name };
    let error: FairleadError | undefined;
    let answer: object;
    try {
      answer = await serve(parts, context, name, facts, calls);
    } catch (thrown) {
      error = asFairleadError(thrown);
      const message = describeError(error);
      answer = { Err: message, Error: message };
    }
    const ms = Math.round((parts.clock.monotonicMs() - startedMs) * 1000) / 1000;
    report(parts.log, { ...facts, ms }, error);
    parts.onCall?.({ call: name, ms, code: error?.code });
    return reply(context, answer, error?.code === 'REQUEST_UNKNOWN' ? 404 : 200);
  });
  return app;
}

/** Work that is going on, answered or not: what takes memory. */
interface CallCount {
  inWork: number;
}

function report(log: Logger, facts: object, error: FairleadError | undefined): void {
  if (error === undefined) {
    log.debug(facts, 'answered');
    return;
  }
  // a bug of ours must be found among the refusals that users bring about
  const level = error.code === 'INTERNAL' ? 'error' : 'warn';
  log[level]({ ...facts, code: error.code, err: error }, 'refused');
}

function reply(context: Context, body: object, status: 200 | 404): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return context.body(bytes, status, {
    'content-type': mediaType,
    'content-length': String(bytes.length),
  });
}

async function serve(
  { handlers, clock }: PluginAppParts,
  context: Context,
  name: string,
  facts: Record<string, unknown>,
  calls: CallCount,
): Promise<object> {
  const known = isBareCall(name) || isCallWithContent(name);
  if (!known)
    throw new FairleadError('REQUEST_UNKNOWN', `there is no call ${JSON.stringify(name)}`);
  if (context.req.method !== 'POST') {
    throw new FairleadError('REQUEST_METHOD', `${name} takes POST, not ${context.req.method}`);
  }
  if (calls.inWork >= requestsInFlightMax) {
    throw new FairleadError('BUSY', `${requestsInFlightMax} calls are in work already`);
  }
  calls.inWork++;
  let working: Promise<unknown> | undefined;
  const bounded = (work: (signal: AbortSignal) => Promise<object>): Promise<object> =>
    withinBound({ clock, boundMs: callBoundMs(name), what: name }, (signal) => {
      const started = work(signal);
      working = started;
      return started;
    });
  try {
    const bytes = await readBody(context.req.raw);
    if (isBareCall(name)) return await bounded(() => handlers[name]());
    const body = parseBody(bytes, name);
    Object.assign(facts, idsOf(body));
    const request = fitting(name, body);
    // each handler takes the request of its own name, which the compiler cannot follow through a variable
    const handler = handlers[name] as (request: unknown, signal: AbortSignal) => Promise<object>;
    return await bounded((signal) => handler(request, signal));
  } finally {
    const end = (): void => void calls.inWork--;
    // what was too late still goes on
    if (working === undefined) end();
    else working.then(end, end);
  }
}

function isBareCall(name: string): name is BareCall {
  return (bareCalls as readonly string[]).includes(name);
}

function isCallWithContent(name: string): name is CallName {
  return Object.hasOwn(requestSchemas, name);
}

/**
 * The request in a body.
 * @throws REQUEST_INVALID with the place of the first field that does not fit
 */
function fitting(name: CallName, body: object): object {
  const parsed = requestSchemas[name].safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'content' : placeOf(issue.path);
  throw new FairleadError(
    'REQUEST_INVALID',
    `${name}: ${shown(where)}: ${issue?.message ?? 'does not fit'}`,
  );
}

/** `IPv4Data[0].Pool`. */
function placeOf(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`));
  return parts.join('').replace(/^\./, '');
}

/** What a log line about a call is found by, whether or not the call fits. */
function idsOf(body: Readonly<Record<string, unknown>>): object {
  const { NetworkID, EndpointID, PoolID } = body;
  return {
    ...(typeof NetworkID === 'string' ? { network: shown(NetworkID) } : {}),
    ...(typeof EndpointID === 'string' ? { endpoint: shown(EndpointID) } : {}),
    ...(typeof PoolID === 'string' ? { pool: shown(PoolID) } : {}),
  };
}

/** Text from outside, cut, and without what a terminal would act on. */
function shown(text: string): string {
  return text.slice(0, shownCharactersMax).replaceAll(/[^\x20-\x7e]/g, '?');
}
