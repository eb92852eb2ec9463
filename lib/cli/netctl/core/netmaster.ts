/**
 * The REST API as netctl asks it: which paths, what is sent, and what an answer means. Everything but a 200 is an
 * error, whose text is the body: Contiv's own client shows the body of a 500 only, and takes a 404 to a
 * DELETE for success.
 */
import { exitCodes, NetctlError } from './ending.ts';
import type { KindName } from '../../../model/objects/kind.ts';
import {
  kindNamed,
  shapeInspection,
  shapeList,
  shapeObject,
  type JsonObject,
  type Shaped,
} from './shapes.ts';

/** A request; the path begins with a slash. */
export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string;
}
/** An answer, whatever its status. */
export interface TransportAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly body: string;
}
/** Sends a request to the server that was named. */
export interface Transport {
  /** Rejects with an `Error` whose message is one line when there was no answer. */
  ask(request: TransportRequest): Promise<TransportAnswer>;
}

/** The calls that commands are made of. Each rejects with `NetctlError`, exit code 3. */
export interface Netmaster {
  list(kind: KindName): Promise<readonly JsonObject[]>;
  get(kind: KindName, key: readonly string[]): Promise<JsonObject>;
  inspect(kind: KindName, key: readonly string[]): Promise<JsonObject>;
  /** Creates or changes an object; its key is in it. */
  post(kind: KindName, object: JsonObject): Promise<void>;
  remove(kind: KindName, key: readonly string[]): Promise<void>;
}

/** The calls over a transport. */
export function netmasterOver(transport: Transport): Netmaster {
  const ask = async (request: TransportRequest): Promise<string> => {
    const answer = await answered(transport, request);
    if (answer.status !== 200) throw refused(refusalText(answer));
    return answer.body;
  };
  const read = async <Value>(path: string, shape: (value: unknown) => Shaped<Value>) => {
    const shaped = shape(parsed(await ask({ method: 'GET', path })));
    if ('complaint' in shaped) throw refused(shaped.complaint);
    return shaped.value;
  };
  return {
    list: (kind) => read(`/api/v1/${kindNamed(kind).plural}/`, (value) => shapeList(kind, value)),
    get: (kind, key) => read(objectPath(kind, key), (value) => shapeObject(kind, value)),
    inspect: (kind, key) =>
      read(objectPath(kind, key, 'inspect/'), (value) => shapeInspection(kind, value)),
    async post(kind, object) {
      const shaped = shapeObject(kind, object);
      if ('complaint' in shaped) throw refused(shaped.complaint);
      const { key } = kindNamed(kind);
      const path = objectPath(
        kind,
        key.map((field) => textOf(object, field)),
      );
      await ask({ method: 'POST', path, body: JSON.stringify(shaped.value) });
    },
    async remove(kind, key) {
      await ask({ method: 'DELETE', path: objectPath(kind, key) });
    },
  };
}

/** The text of a field, empty when it is absent. */
export function textOf(object: JsonObject, field: string): string {
  const value = object[field];
  return typeof value === 'string' ? value : '';
}

/** Asks, and makes a failure to reach the server an ending with this exit code. */
export async function answered(
  transport: Transport,
  request: TransportRequest,
  exitCode: number = exitCodes.refused,
): Promise<TransportAnswer> {
  try {
    return await transport.ask(request);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NetctlError(exitCode, why, { cause: thrown });
  }
}

/** Names of an object may hold anything here: the server says what is wrong with them. */
function objectPath(kind: KindName, key: readonly string[], before = ''): string {
  return `/api/v1/${before}${kindNamed(kind).plural}/${key.map(encodeURIComponent).join(':')}/`;
}

function refusalText({ status, statusText, body }: TransportAnswer): string {
  if (body.trim() !== '') return body;
  if (status === 403) return 'Access denied!';
  return `${status} ${statusText}`;
}

/** An answer as JSON. @throws NetctlError in words like those of Go's decoder */
export function parsed(body: string, exitCode: number = exitCodes.refused): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    const [first = ''] = body.trimStart();
    const why =
      first === '' || /^[[{"\dtfn-]/.test(first)
        ? 'unexpected end of JSON input'
        : `invalid character '${first}' looking for beginning of value`;
    throw new NetctlError(exitCode, why, { cause });
  }
}

function refused(text: string): NetctlError {
  return new NetctlError(exitCodes.refused, text);
}
