/**
 * A managed plugin that hands Docker's calls to the agent of the host, so that either can be upgraded without the
 * other. Calls that need nothing are answered here; all others go through a socket of the agent. While the agent is
 * away a call waits, and one whose connection breaks is sent again with its content: calls may be repeated.
 */
import { request } from 'node:http';
import { asFairleadError, describeError, FairleadError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import { managedCallMs, managedRetryMs, requestBytesMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import { bareAnswers, type PluginScope } from './bare-answers.ts';
import { readBody } from './body.ts';
import { bareCalls, type BareCall } from './handlers.ts';

/** What it is made of. */
export interface ShimParts {
  readonly scope: PluginScope;
  /** The agent's `--managed-socket`, as it is seen from inside of the plugin. */
  readonly agentSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Header by which the agent learns what the engine takes the networks for. */
export const scopeHeader = 'fairlead-scope';

interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Answers the engine's requests. */
export function createShim(parts: ShimParts): (request: Request) => Promise<Response> {
  const own = bareAnswers(parts.scope);
  return async (incoming) => {
    const name = new URL(incoming.url).pathname.slice(1);
    const startedMs = parts.clock.monotonicMs();
    try {
      if (isBare(name)) return respond({ status: 200, body: encode(await own[name]()) });
      const body = await readBody(incoming);
      const answer = await untilAnswered(parts, name, body);
      const ms = Math.round(parts.clock.monotonicMs() - startedMs);
      parts.log.debug({ call: name, ms, status: answer.status }, 'handed on');
      return respond(answer);
    } catch (thrown) {
      const error = asFairleadError(thrown);
      parts.log.warn({ call: name, err: error }, 'not answered by the agent');
      const message = describeError(error);
      return respond({ status: 200, body: encode({ Err: message, Error: message }) });
    }
  };
}

const isBare = (name: string): name is BareCall => (bareCalls as readonly string[]).includes(name);
const encode = (answer: object): Uint8Array => new TextEncoder().encode(JSON.stringify(answer));

function respond({ status, body }: Answer): Response {
  const headers = {
    'content-type': 'application/vnd.docker.plugins.v1.2+json',
    'content-length': String(body.length),
  };
  return new Response(Uint8Array.from(body), { status, headers });
}

/**
 * The agent's answer, asked for again while the agent is away.
 * @throws AGENT_DOWN after `managedCallMs`
 */
async function untilAnswered(parts: ShimParts, name: string, body: Uint8Array): Promise<Answer> {
  const { clock } = parts;
  const endMs = clock.monotonicMs() + managedCallMs;
  for (;;) {
    try {
      return await ask(parts, name, body, AbortSignal.timeout(managedCallMs));
    } catch (cause) {
      if (cause instanceof FairleadError) throw cause;
      if (clock.monotonicMs() + managedRetryMs > endMs) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new FairleadError('AGENT_DOWN', `the agent of this host does not answer: ${why}`, {
          cause,
        });
      }
    }
    await clock.sleep(managedRetryMs);
  }
}

function ask(
  { agentSocket, scope }: ShimParts,
  name: string,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: agentSocket,
      path: `/${name}`,
      method: 'POST',
      agent: false,
      signal,
      headers: { host: 'fairlead', 'content-length': body.length, [scopeHeader]: scope },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > requestBytesMax) incoming.destroy(new Error('the answer is too large'));
        else parts.push(part);
      });
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 500, body: Buffer.concat(parts) }),
      );
    });
    outgoing.end(body);
  });
}
