/**
 * Docker's event stream, as a reason to look: events are hints, never facts, since a stream that broke
 * has lost some. Reconnects for ever, with growing pauses.
 */
import type { Clock } from '../clock.ts';
import { FairleadError } from '../errors.ts';
import { dockerEventBytesMax, dockerReconnectFirstMs, dockerReconnectMaxMs } from '../limits.ts';
import { openGet } from './http.ts';
import { eventSchema } from './schemas.ts';

/** Something happened to a network or a container. */
export interface DockerEvent {
  readonly type: string;
  readonly action: string;
  readonly id: string;
  /** Of a container that was sent one: the signal's number. */
  readonly signal?: string | undefined;
}

/** What is listened for. */
export interface DockerEventFilter {
  readonly type: readonly string[];
  readonly event: readonly string[];
}

/** What a listener is told: the stream is up (look at everything once), an event, or it is down. */
export type DockerSignal =
  | { readonly kind: 'connected' }
  | { readonly kind: 'event'; readonly event: DockerEvent }
  | { readonly kind: 'disconnected'; readonly error: unknown };

/** What changes networks and who is attached to them. */
export const networkEvents: DockerEventFilter = {
  type: ['network', 'daemon'],
  event: ['create', 'destroy', 'connect', 'disconnect', 'remove'],
};

/** What changes how it is with containers, and to which networks those that run are attached. */
export const containerEvents: DockerEventFilter = {
  type: ['container', 'network'],
  event: ['start', 'kill', 'pause', 'unpause', 'health_status', 'rename', 'die', 'connect'],
};

/** What changes services of a swarm, and who manages it. */
export const serviceEvents: DockerEventFilter = {
  type: ['service', 'node'],
  event: ['create', 'update', 'remove'],
};

/** Listens until the signal is aborted; resolves then. `listener` must not throw. */
export async function followDockerEvents(options: {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly listener: (signal: DockerSignal) => void;
  /** Without: `networkEvents`. */
  readonly filter?: DockerEventFilter;
}): Promise<void> {
  const { socketPath, clock, signal, listener } = options;
  const filters = encodeURIComponent(JSON.stringify(options.filter ?? networkEvents));
  let pauseMs = dockerReconnectFirstMs;
  while (!signal.aborted) {
    try {
      const incoming = await openGet(socketPath, `/events?filters=${filters}`, signal);
      const stop = (): void => void incoming.destroy();
      signal.addEventListener('abort', stop, { once: true });
      pauseMs = dockerReconnectFirstMs;
      listener({ kind: 'connected' });
      try {
        for await (const event of readEvents(incoming as AsyncIterable<Buffer>)) {
          listener({ kind: 'event', event });
        }
      } finally {
        signal.removeEventListener('abort', stop);
        incoming.destroy();
      }
      listener({
        kind: 'disconnected',
        error: new FairleadError('DOCKER_DOWN', 'the event stream ended'),
      });
    } catch (error) {
      if (signal.aborted) break;
      listener({ kind: 'disconnected', error });
    }
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, dockerReconnectMaxMs);
  }
}

/** Splits the stream into lines and reads each; lines that are no event of ours are passed over. */
export async function* readEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<DockerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of stream) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > dockerEventBytesMax) {
      throw new FairleadError('DOCKER_PROTOCOL', "a line of Docker's event stream is too long");
    }
    for (const line of lines) {
      const event = readEvent(line);
      if (event !== undefined) yield event;
    }
  }
}

function readEvent(line: string): DockerEvent | undefined {
  if (line.trim() === '') return undefined;
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new FairleadError('DOCKER_PROTOCOL', "Docker's event stream holds no JSON", { cause });
  }
  const parsed = eventSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { Type: type, Action: action, Actor } = parsed.data;
  const told = Actor.Attributes?.['signal'];
  return { type, action, id: Actor.ID, ...(told === undefined ? {} : { signal: told }) };
}
