/**
 * SCTP (RFC 9260) as far as an association begins: in packets made by hand, since not every kernel has it. The kernels of
 * both ends do not know of it and may say so (ICMP); that is nobody's concern here.
 */
import { Capture, type Seen } from '../lab/traffic/capture.ts';
import { addressText, join, numbers } from '../lab/traffic/bytes.ts';
import { etherTypes, ip, type EthernetHead } from '../lab/traffic/frames.ts';
import { Injector } from '../lab/traffic/inject.ts';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { outsideOf } from '../lab/traffic/vantages.ts';
import type { Lab } from '../lab/lab.ts';

const sctpProtocol = 132;
/** Types of chunks. */
const chunkTypes = { init: 1, initAck: 2, cookieEcho: 10, cookieAck: 11 } as const;
type ChunkType = keyof typeof chunkTypes;

/** A packet with one chunk. */
interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly chunk: ChunkType;
}

/** What each end chose for what it is sent. */
const tags = { client: 0x0c11_e470, server: 0x5e12_7e60 } as const;
const cookie = numbers([0xc00c_1e00, 4], [0x1234_5678, 4]);

/** CRC32c (RFC 3309). */
function crc32c(bytes: Uint8Array): number {
  let sum = 0xffff_ffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f6_3b78 : 0);
  }
  return ~sum >>> 0;
}

/** The sum stands in the head with its lowest byte first. */
function sumOf(packet: Uint8Array): Buffer {
  const blank = Buffer.from(packet);
  blank.writeUInt32LE(0, 8);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32c(blank));
  return sum;
}

const beginning = (tag: number): Uint8Array =>
  numbers([tag, 4], [65_536, 4], [1, 2], [1, 2], [1_000, 4]);
const bodies: Readonly<Record<ChunkType, Uint8Array>> = {
  init: beginning(tags.client),
  initAck: join(beginning(tags.server), numbers([7, 2], [4 + cookie.length, 2]), cookie),
  cookieEcho: cookie,
  cookieAck: new Uint8Array(),
};
/** A packet bears the tag of who gets it; the first bears none. */
const tagOf: Readonly<Record<ChunkType, number>> = {
  ...{ init: 0, initAck: tags.client, cookieEcho: tags.server, cookieAck: tags.client },
};

function packetBytes({ sourcePort, destinationPort, chunk }: Packet): Uint8Array {
  const head = numbers([sourcePort, 2], [destinationPort, 2], [tagOf[chunk], 4], [0, 4]);
  const body = bodies[chunk];
  const whole = join(head, numbers([chunkTypes[chunk], 1], [0, 1], [4 + body.length, 2]), body);
  return join(whole.subarray(0, 8), sumOf(whole), whole.subarray(12));
}

/** The packet of a frame, if it is one whose sum is right. */
function packetIn({ bytes }: Pick<Seen, 'bytes'>): Packet | undefined {
  const view = Buffer.from(bytes);
  const isSix = view.readUInt16BE(12) === etherTypes.ipv6;
  if (!isSix && view.readUInt16BE(12) !== etherTypes.ipv4) return undefined;
  if (view[isSix ? 20 : 23] !== sctpProtocol) return undefined;
  const start = isSix ? 54 : 34;
  // short frames are filled up
  const length = isSix ? view.readUInt16BE(18) : view.readUInt16BE(16) - 20;
  const packet = view.subarray(start, start + length);
  if (!sumOf(packet).equals(packet.subarray(8, 12))) return undefined;
  const chunk = (Object.keys(chunkTypes) as ChunkType[]).find(
    (each) => chunkTypes[each] === packet[12],
  );
  const [from, size] = isSix ? [22, 16] : [26, 4];
  return chunk === undefined
    ? undefined
    : {
        source: addressText(view.subarray(from, from + size)),
        destination: addressText(view.subarray(from + size, from + 2 * size)),
        sourcePort: packet.readUInt16BE(0),
        destinationPort: packet.readUInt16BE(2),
        chunk,
      };
}

/** Where packets are sent and seen. */
export interface SctpPlace {
  readonly at: Vantage;
  readonly link: string;
}

class End {
  readonly #capture: Capture;
  readonly #injector: Injector;

  private constructor(capture: Capture, injector: Injector) {
    this.#capture = capture;
    this.#injector = injector;
  }

  static async open({ at, link }: SctpPlace): Promise<End> {
    return new End(await Capture.start(at, link), await Injector.open(at, link));
  }

  send(head: EthernetHead, packet: Packet): Promise<void> {
    const way = { ...packet, protocol: sctpProtocol };
    return this.#injector.send(ip(head, way, packetBytes(packet)));
  }

  /** Waits for a chunk, and gives its packet and how one answers. */
  async heard(chunk: ChunkType): Promise<readonly [Packet, EthernetHead]> {
    const seen = await this.#capture.waitFor(chunk, (each) => packetIn(each)?.chunk === chunk);
    const packet = packetIn(seen);
    if (packet === undefined || seen.says === undefined) throw new Error(`no ${chunk}`);
    return [packet, { from: seen.says.to, to: seen.says.from }];
  }

  async close(): Promise<void> {
    await this.#injector.close();
    await this.#capture.stop();
  }
}

const answerTo = (packet: Packet, chunk: ChunkType): Packet => ({
  source: packet.destination,
  destination: packet.source,
  sourcePort: packet.destinationPort,
  destinationPort: packet.sourcePort,
  chunk,
});

/** Who is outside, and speaks to an address of a host that it has spoken to before. */
export async function sctpCaller(
  lab: Lab,
  { to, address }: { readonly to: string; readonly address: string },
): Promise<SctpPlace & { readonly head: EthernetHead; readonly address: string }> {
  const said = await lab.execOutside(['sh', '-c', `ip neigh show ${to}; ip link show underlay`]);
  const macs = /lladdr (\S+)[^]*link\/ether (\S+)/.exec(said.stdout);
  if (macs === null) throw new Error(`nobody knows where ${to} is: ${said.stdout}`);
  const [, host = '', own = ''] = macs;
  return { at: outsideOf(lab), link: 'underlay', head: { from: own, to: host }, address };
}

/**
 * Begins an association and finishes its four packets, each sent as an answer to the one before as that has arrived.
 * Answers what the server saw of the client, and the client of the server.
 * @throws {Error} when one of them does not arrive, or not sound
 */
export async function associate(
  client: SctpPlace & { readonly head: EthernetHead; readonly address: string },
  server: SctpPlace,
  {
    to,
    port,
    from = 40_000,
  }: { readonly to: string; readonly port: number; readonly from?: number },
): Promise<{ readonly server: Packet; readonly client: Packet }> {
  const [calling, called] = [await End.open(client), await End.open(server)];
  try {
    const { head, address: source } = client;
    const first = { source, destination: to, sourcePort: from, destinationPort: port } as const;
    await calling.send(head, { ...first, chunk: 'init' });
    const [init, back] = await called.heard('init');
    await called.send(back, answerTo(init, 'initAck'));
    const [initAck, onward] = await calling.heard('initAck');
    await calling.send(onward, answerTo(initAck, 'cookieEcho'));
    const [echo, last] = await called.heard('cookieEcho');
    await called.send(last, answerTo(echo, 'cookieAck'));
    const [done] = await calling.heard('cookieAck');
    return { server: echo, client: done };
  } finally {
    await Promise.all([calling.close(), called.close()]);
  }
}
