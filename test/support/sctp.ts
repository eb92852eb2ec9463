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
import type { LabHost } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { slowness } from './slowness.ts';

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

/** Which chunk of whose, by the client's port. */
interface Wanted {
  readonly chunk: ChunkType;
  readonly from: number;
}
/** What an end heard, and how it answers. */
type Heard = readonly [Packet, EthernetHead];

/** Longer than any packet is waited for. */
const longestMs = 60_000;

/** One end of associations: sends packets, and hears what comes. */
export class SctpEnd {
  readonly #capture: Capture;
  readonly #injector: Injector;
  /** The numbers of frames that were given. */
  readonly #given = new Set<number>();

  private constructor(capture: Capture, injector: Injector) {
    this.#capture = capture;
    this.#injector = injector;
  }

  /** Begins to hear. */
  static async open({ at, link }: SctpPlace): Promise<SctpEnd> {
    return new SctpEnd(await Capture.start(at, link), await Injector.open(at, link));
  }

  /** Sends a packet. */
  send(head: EthernetHead, packet: Packet): Promise<void> {
    const way = { ...packet, protocol: sctpProtocol };
    return this.#injector.send(ip(head, way, packetBytes(packet)));
  }

  /** Waits for a chunk that it has not given yet, with how one answers; undefined when it has not come in time. */
  async heard(wanted: Wanted, waitMs: number): Promise<Heard | undefined> {
    const untilMs = performance.now() + waitMs;
    const awaited = { what: `${wanted.chunk} or nothing`, timeoutMs: longestMs, everyMs: 50 };
    const found = await waitFor(awaited, async () => {
      // in this order: what came in time is seen
      const isLate = performance.now() > untilMs;
      const seen = await this.#capture.seen();
      const at = seen.findIndex((each, n) => !this.#given.has(n) && heardIn(each, wanted));
      if (at === -1) return isLate && 'nothing';
      this.#given.add(at);
      return heardIn(seen[at], wanted);
    });
    return found === 'nothing' ? undefined : found;
  }

  /** Hears nothing any more. */
  async close(): Promise<void> {
    await this.#injector.close();
    await this.#capture.stop();
  }
}

function heardIn(seen: Seen | undefined, { chunk, from }: Wanted): Heard | undefined {
  const packet = seen && packetIn(seen);
  if (packet?.chunk !== chunk || seen?.says === undefined) return undefined;
  if (packet.sourcePort !== from && packet.destinationPort !== from) return undefined;
  return [packet, { from: seen.says.to, to: seen.says.from }];
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

/** How a container of a host frames what it sends to a neighbour that it has spoken to before. */
export async function sctpHead(host: LabHost, at: Vantage, to: string): Promise<EthernetHead> {
  const words = `ip neigh show ${to}; ip link show eth0`;
  const said = await host.exec(['nsenter', `--net=${at.net}`, 'sh', '-c', words]);
  const macs = /lladdr (\S+)[^]*link\/ether (\S+)/.exec(said.stdout);
  if (macs === null) throw new Error(`nobody knows where ${to} is: ${said.stdout}`);
  const [, neighbour = '', own = ''] = macs;
  return { from: own, to: neighbour };
}

/** Who begins, whom it calls, and how long each packet is waited for. */
export interface SctpCall {
  readonly head: EthernetHead;
  readonly address: string;
  readonly to: string;
  readonly port: number;
  /** The client's port: by it associations that are open at once are told apart. */
  readonly from: number;
  readonly waitMs: number;
}

/** The four packets that begin an association, in their order. */
const fourPackets = ['init', 'initAck', 'cookieEcho', 'cookieAck'] as const;

/**
 * Begins an association: four packets, each sent as an answer to the one before as that has arrived. Gives those that
 * arrived: four, or as far as it came.
 */
export async function beginAssociation(
  client: SctpEnd,
  server: SctpEnd,
  { head, address, to, port, from, waitMs }: SctpCall,
): Promise<readonly Packet[]> {
  const first = { source: address, destination: to, sourcePort: from, destinationPort: port };
  await client.send(head, { ...first, chunk: 'init' });
  const came: Packet[] = [];
  for (const [at, chunk] of fourPackets.entries()) {
    const hearer = at % 2 === 0 ? server : client;
    const heard = await hearer.heard({ chunk, from }, waitMs);
    if (heard === undefined) break;
    const [packet, back] = heard;
    came.push(packet);
    const next = fourPackets[at + 1];
    if (next !== undefined) await hearer.send(back, answerTo(packet, next));
  }
  return came;
}

/**
 * The same with ends of its own. Answers what the server saw of the client, and the client of the server.
 * @throws {Error} when a packet does not arrive, or not sound
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
  const [calling, called] = [await SctpEnd.open(client), await SctpEnd.open(server)];
  try {
    const call = { head: client.head, address: client.address, to, port, from };
    const came = await beginAssociation(calling, called, { ...call, waitMs: 5_000 * slowness });
    const [, , echo, done] = came;
    if (echo === undefined || done === undefined) {
      throw new Error(
        `${fourPackets[came.length]} from ${client.address} to ${to} does not arrive`,
      );
    }
    return { server: echo, client: done };
  } finally {
    await Promise.all([calling.close(), called.close()]);
  }
}
