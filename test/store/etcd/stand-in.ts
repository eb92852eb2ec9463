/** Something that answers like etcd, or breaks just where a test wants it to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import type { EtcdEndpoint } from '../../../lib/store/etcd/transport.ts';

/** What to do with a request. */
export type Act =
  | { readonly status?: number; readonly json: unknown }
  | { readonly text: string }
  /** Closes the connection; `after` sends a part of an answer first. */
  | { readonly close: 'at once' | 'after a part' }
  | { readonly never: true }
  /** Lines of a stream, which then stays open. */
  | { readonly lines: readonly unknown[] };

/** A request that came. */
export interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** The header of an answer. */
export const header = (revision: number, clusterId = '1') => ({
  cluster_id: clusterId,
  member_id: '2',
  revision: String(revision),
  raft_term: '2',
});

/** What etcd refuses with. */
export const refusal = (code: number, message: string): Act => ({
  status: code === 14 ? 503 : 400,
  json: { error: message, message, code },
});

/** A server of one endpoint. */
export class StandIn {
  readonly asked: Asked[] = [];
  /** The part that matters: everything but the question who the endpoint is. */
  act: (asked: Asked, n: number) => Act = () => ({ json: { header: header(1) } });
  clusterId = '1';
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  readonly #streams: ServerResponse[] = [];
  #port = 0;

  /** Starts one on a port that nobody else is given while it is away, or on a given one. */
  static async start(port?: number): Promise<StandIn> {
    const standIn = new StandIn();
    standIn.#server.listen(port ?? (await freePort()), '127.0.0.1');
    await once(standIn.#server, 'listening');
    standIn.#port = (standIn.#server.address() as AddressInfo).port;
    return standIn;
  }

  /** Where it listens, or listened. */
  get endpoint(): EtcdEndpoint {
    return { host: '127.0.0.1', port: this.#port };
  }

  /** Breaks all streams that are open. */
  dropStreams(): void {
    for (const stream of this.#streams.splice(0)) stream.destroy();
  }

  /** Waits until it was asked so many times. */
  async askedTimes(count: number): Promise<void> {
    await until(`${count} requests`, () => this.asked.length >= count, { everyMs: 2 });
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
    if (body['serializable'] === true && body['limit'] === undefined) {
      response.end(JSON.stringify({ header: header(1, this.clusterId) }));
      return;
    }
    const asked = { path: request.url ?? '', body };
    this.asked.push(asked);
    this.#answer(this.act(asked, this.asked.length), response);
  }

  #answer(act: Act, response: ServerResponse): void {
    if ('json' in act) {
      response.writeHead(act.status ?? 200).end(JSON.stringify(act.json));
    } else if ('text' in act) {
      response.writeHead(200).end(act.text);
    } else if ('lines' in act) {
      this.#streams.push(response);
      response.writeHead(200);
      for (const line of act.lines) response.write(`${JSON.stringify(line)}\n`);
    } else if ('close' in act) {
      if (act.close === 'at once') response.destroy();
      else
        response
          .writeHead(200, { 'content-length': '1000' })
          .write('{"header":', () => response.destroy());
    }
  }
}
