/**
 * One connection that puts keys, the same shape for both stores: a socket of its own, one call at a time.
 * etcd is asked through its JSON gateway with hand-made HTTP (an HTTP client would cost more than etcd).
 */
import { connect, type Socket } from 'node:net';
import { StoreClient } from '../../nemesis/store-client.ts';

/** Where a node takes writes. */
export type Endpoint =
  | { readonly kind: 'etcd'; readonly port: number }
  | { readonly kind: 'frames'; readonly socketPath: string };

/** A connection. */
export interface Putter {
  /** Resolves when the write is acknowledged. */
  put(key: string, value: string): Promise<void>;
  close(): void;
}

/** Connects at the first put. */
export function openPutter(endpoint: Endpoint, patienceMs = 10_000): Putter {
  return endpoint.kind === 'etcd'
    ? new EtcdPutter(endpoint.port, patienceMs)
    : framesPutter(endpoint.socketPath, patienceMs);
}

function framesPutter(socketPath: string, patienceMs: number): Putter {
  const client = new StoreClient(socketPath, patienceMs);
  return {
    async put(key, value) {
      await client.txn({ compare: [], then: [{ op: 'put', key, value }] });
    },
    close: () => void client.close(),
  };
}

/** Asks a node of etcd something through its gateway. */
export function askEtcd(port: number, path: string, words: object): Promise<unknown> {
  return new EtcdPutter(port, 5_000).ask(path, words, 'close');
}

class EtcdPutter implements Putter {
  readonly #port: number;
  readonly #patienceMs: number;
  #socket: Promise<Socket> | undefined;
  #answer: ((body: string | Error) => void) | undefined;
  #text = '';

  constructor(port: number, patienceMs: number) {
    this.#port = port;
    this.#patienceMs = patienceMs;
  }

  async put(key: string, value: string): Promise<void> {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    await this.ask('/v3/kv/put', { key: base64(key), value: base64(value) });
  }

  close(): void {
    void this.#socket?.then((socket) => socket.destroy()).catch(() => undefined);
    this.#socket = undefined;
  }

  async ask(path: string, words: object, after: 'keep' | 'close' = 'keep'): Promise<unknown> {
    this.#socket ??= this.#connect();
    let socket: Socket;
    try {
      socket = await this.#socket;
    } catch (error) {
      this.#socket = undefined;
      throw error;
    }
    const body = JSON.stringify(words);
    const head = `POST ${path} HTTP/1.1\r\nHost: e\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    const answer = await new Promise<string | Error>((resolve) => {
      const timer = setTimeout(() => resolve(new Error('no answer')), this.#patienceMs);
      this.#answer = (given) => {
        clearTimeout(timer);
        resolve(given);
      };
      socket.write(head + body);
    });
    if (answer instanceof Error || after === 'close') this.close();
    if (answer instanceof Error) throw answer;
    return JSON.parse(answer);
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
      socket.setEncoding('latin1');
      socket.once('connect', () => resolve(socket));
      socket.on('error', reject);
      socket.on('close', () => {
        this.#socket = undefined;
        this.#answer?.(new Error('the connection broke'));
      });
      socket.on('data', (chunk: string) => this.#receive(chunk));
    });
  }

  #receive(chunk: string): void {
    this.#text += chunk;
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text.slice(0, end))?.[1];
    if (length === undefined) throw new Error(`no length in ${this.#text}`);
    if (this.#text.length < end + 4 + Number(length)) return;
    const isGood = this.#text.startsWith('HTTP/1.1 200');
    const body = this.#text.slice(end + 4);
    this.#text = '';
    this.#answer?.(isGood ? body : new Error(body));
  }
}
