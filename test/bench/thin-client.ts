/**
 * A client that costs next to nothing: one connection, one request at a time, answers of a known length. On a machine
 * that the agents fill, an HTTP library takes as long for a request as an agent for its answer, and would be
 * a third of what is measured.
 */
import { connect, type Socket } from 'node:net';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const headEnd = '\r\n\r\n';

/** A connection to the API of an agent. */
export class ThinClient {
  readonly #socket: Socket;
  /** Of the answer, how long it is as soon as its head is there, and where its body begins. */
  #parts: Buffer[] = [];
  #length = 0;
  #head: { readonly status: number; readonly bodyAt: number; readonly whole: number } | undefined;
  #waiting: Waiting | undefined;

  constructor(socketPath: string) {
    this.#socket = connect(socketPath);
    this.#socket.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.#length += part.length;
      this.#take();
    });
    this.#socket.on('error', (error) => this.#waiting?.reject(error));
    this.#socket.on('close', () => this.#waiting?.reject(new Error('the agent hung up')));
  }

  /** The body of the answer; rejects with what is refused. */
  async ask(method: string, path: string, body?: object): Promise<string> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const lines = [`${method} ${path} HTTP/1.1`, 'host: fairlead', 'accept: application/json'];
    if (text !== '') {
      lines.push('content-type: application/json', `content-length: ${Buffer.byteLength(text)}`);
    }
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${lines.join('\r\n')}${headEnd}${text}`);
    });
    if (answer.status < 400) return answer.body;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  }

  /** Hangs up. */
  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  /** The answer, when all of it is there: a list of 10 000 comes in many parts. */
  #take(): void {
    const head = (this.#head ??= this.#readHead());
    if (head === undefined || this.#length < head.whole) return;
    const body = Buffer.concat(this.#parts).toString('utf8', head.bodyAt, head.whole);
    [this.#parts, this.#length, this.#head] = [[], 0, undefined];
    this.#waiting?.resolve({ status: head.status, body });
  }

  #readHead() {
    const received = Buffer.concat(this.#parts);
    const end = received.indexOf(headEnd);
    if (end < 0) return undefined;
    const head = received.toString('latin1', 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
    const bodyAt = end + headEnd.length;
    if (!Number.isNaN(status + length)) return { status, bodyAt, whole: bodyAt + length };
    this.#waiting?.reject(new Error(`no answer of a known length: ${head}`));
    return undefined;
  }
}
