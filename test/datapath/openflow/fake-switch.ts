/** A switch that a test plays: answers the handshake, and everything else as the test says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameReader } from '../../../lib/datapath/openflow/codec/frames.ts';
import { fromHex, toHex } from './bytes.ts';

/** A message that came, in pieces. */
export interface Received {
  readonly type: number;
  readonly xid: number;
  readonly body: Uint8Array;
}

export interface FakeSwitch {
  readonly path: string;
  readonly received: Received[];
  /** Connections taken so far. */
  readonly connections: () => number;
  /** Sends a message to the newest connection. */
  send(hex: string): void;
  /** Cuts the newest connection. */
  cut(): void;
  close(): Promise<void>;
}

const word = (value: number) => value.toString(16).padStart(8, '0');

/** A message in hexadecimal. */
export function message(type: number, xid: number, body = ''): string {
  const length = (8 + body.length / 2).toString(16).padStart(4, '0');
  return `04${type.toString(16).padStart(2, '0')}${length}${word(xid)}${body}`;
}

/** An error of the type and code. */
export function errorMessage(xid: number, type: number, code: number): string {
  return message(1, xid, word(type * 0x1_0000 + code));
}

/** What a switch that does all it is told would answer. */
export function obey({ type, xid, body }: Received): readonly string[] {
  switch (type) {
    case 2:
      return [message(3, xid, toHex(body))];
    case 5:
      return [message(6, xid, `${word(0)}${word(5)}${word(0)}fe000000${word(0x4f)}${word(0)}`)];
    case 20:
      return [message(21, xid)];
    case 4: {
      const kind = new DataView(body.buffer, body.byteOffset).getUint32(4);
      if (kind !== 2300) return [];
      const step = new DataView(body.buffer, body.byteOffset).getUint16(12);
      const head = toHex(body.subarray(0, 12));
      return [message(4, xid, `${head}${(step + 1).toString(16).padStart(4, '0')}0003`)];
    }
    default:
      return [];
  }
}

export async function startFakeSwitch(
  answer: (message: Received) => readonly string[] = obey,
): Promise<FakeSwitch> {
  const folder = await mkdtemp(join(tmpdir(), 'fof-'));
  const path = join(folder, 'br.mgmt');
  const received: Received[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const frames = new FrameReader();
    socket.on('error', () => undefined);
    // a number of its own, which is also one of the client's
    socket.write(fromHex(message(0, 1, '0001000800000010')));
    socket.on('data', (chunk) =>
      frames.push(chunk, (bytes) => {
        const copy = bytes.slice();
        const view = new DataView(copy.buffer);
        const got = { type: copy[1] ?? 0, xid: view.getUint32(4), body: copy.slice(8) };
        received.push(got);
        for (const hex of answer(got)) socket.write(fromHex(hex));
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    received,
    connections: () => sockets.length,
    send: (hex) => void sockets.at(-1)?.write(fromHex(hex)),
    cut: () => void sockets.at(-1)?.destroy(),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
