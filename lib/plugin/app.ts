/**
 * The plugin protocol over HTTP (engine's plugin API v1.2). Every answer is one the engine
 * understands: 200 with the result, or 200 with the message under both keys that engines look at
 * (network calls read `Err`, IPAM calls read `Error`); a call we do not know is a 404, which engines
 * tolerate where they may. What is refused has changed nothing and is logged once.
 */
import { Hono, type Context } from 'hono';
import { asFairleadError, describeError, FairleadError } from '../errors.ts';
import { requestBytesMax, requestReceiveMs, requestsInFlightMax } from '../limits.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { bareCalls, callBoundMs, type BareCall, type PluginHandlers } from './handlers.ts';
import { requestSchemas, type CallName } from './schemas.ts';

/** Media type of the protocol. */
const mediaType = 'application/vnd.docker.plugins.v1.2+json';

/** What the application is made of. */
export interface PluginAppParts {
  readonly handlers: PluginHandlers;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The application that serves one plugin socket. */
export function createPluginApp(parts: PluginAppParts): Hono {
  const app = new Hono();
  let inFlight = 0;
  app.all('*', async (context) => {
    const name = context.req.path.slice(1);
    const startedMs = parts.clock.monotonicMs();
    const facts: Record<string, unknown> = { call: name };
    inFlight++;
    try {
      if (inFlight > requestsInFlightMax) {
        throw new FairleadError('BUSY', `${requestsInFlightMax} calls are in work already`);
      }
      const answer = await serve(parts, context, name, facts);
      parts.log.debug({ ...facts, ms: parts.clock.monotonicMs() - startedMs }, 'answered');
      return reply(context, answer, 200);
    } catch (thrown) {
      const error = asFairleadError(thrown);
      const level = error.code === 'INTERNAL' ? 'error' : 'warn';
      parts.log[level](
        { ...facts, err: error, ms: parts.clock.monotonicMs() - startedMs },
        'refused',
      );
      const message = describeError(error);
      const status = error.code === 'REQUEST_UNKNOWN' ? 404 : 200;
      return reply(context, { Err: message, Error: message }, status);
    } finally {
      inFlight--;
    }
  });
  return app;
}

function reply(context: Context, body: object, status: 200 | 404): Response {
  return context.body(JSON.stringify(body), status, { 'content-type': mediaType });
}

async function serve(
  { handlers }: PluginAppParts,
  context: Context,
  name: string,
  facts: Record<string, unknown>,
): Promise<object> {
  const known = isBareCall(name) || isCallWithContent(name);
  if (!known)
    throw new FairleadError('REQUEST_UNKNOWN', `there is no call ${JSON.stringify(name)}`);
  if (context.req.method !== 'POST') {
    throw new FairleadError('REQUEST_METHOD', `${name} takes POST, not ${context.req.method}`);
  }
  const text = await readText(context.req.raw);
  if (isBareCall(name)) return within(name, () => handlers[name]());
  const request = parseRequest(name, text);
  Object.assign(facts, idsOf(request));
  // each handler takes the request of its own name, which the compiler cannot follow through a variable
  const handler = handlers[name] as (request: unknown, signal: AbortSignal) => Promise<object>;
  return within(name, (signal) => handler(request, signal));
}

function isBareCall(name: string): name is BareCall {
  return (bareCalls as readonly string[]).includes(name);
}

function isCallWithContent(name: string): name is CallName {
  return Object.hasOwn(requestSchemas, name);
}

/** The content, however it is labelled: engines send no Content-Type. */
async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > requestBytesMax) throw tooLarge();
  if (request.body === null) return '';
  const late = AbortSignal.timeout(requestReceiveMs);
  const reader = request.body.getReader();
  const stop = (): void => void reader.cancel().catch(() => undefined);
  late.addEventListener('abort', stop, { once: true });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late.aborted) throw new FairleadError('DEADLINE', 'the request did not arrive in time');
      if (done) return text + decoder.decode();
      bytes += value.length;
      if (bytes > requestBytesMax) throw tooLarge();
      text += decoder.decode(value, { stream: true });
    }
  } catch (cause) {
    if (cause instanceof FairleadError) throw cause;
    throw new FairleadError('REQUEST_INVALID', 'the request is not text in UTF-8, or broke off', {
      cause,
    });
  } finally {
    late.removeEventListener('abort', stop);
    stop();
  }
}

function tooLarge(): FairleadError {
  return new FairleadError('REQUEST_TOO_LARGE', `a request has at most ${requestBytesMax} bytes`);
}

function parseRequest(name: CallName, text: string): object {
  if (text.trim() === '') throw new FairleadError('REQUEST_EMPTY', `${name} came without content`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FairleadError('REQUEST_INVALID', `the content of ${name} is not JSON`, { cause });
  }
  const parsed = requestSchemas[name].safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'content' : issue.path.join('.');
  throw new FairleadError('REQUEST_INVALID', `${name}: ${where}: ${issue?.message ?? 'invalid'}`);
}

/** What a log line about a call is found by. */
function idsOf(request: object): object {
  const { NetworkID, EndpointID, PoolID } = request as Record<string, unknown>;
  return {
    ...(NetworkID === undefined ? {} : { network: NetworkID }),
    ...(EndpointID === undefined ? {} : { endpoint: EndpointID }),
    ...(PoolID === undefined ? {} : { pool: PoolID }),
  };
}

/** Answers within the call's bound. Work that goes on after it may finish: calls may be repeated. */
async function within(
  name: CallName | BareCall,
  work: (signal: AbortSignal) => Promise<object>,
): Promise<object> {
  const boundMs = callBoundMs(name);
  const late = new FairleadError('DEADLINE', `${name} did not end within ${boundMs} ms`);
  const ending = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    ending.abort(late);
    reject(late);
  }, boundMs);
  try {
    return await Promise.race([work(ending.signal), promise]);
  } finally {
    clearTimeout(timer);
  }
}
