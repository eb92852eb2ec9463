/**
 * Netlink's framing (netlink(7), RFC 3549 section 2.3): message headers, attributes, acknowledgements.
 * Pure: bytes in, values out. Encoders align as the kernel wants; decoders check every length against
 * what is really there and throw only LINK_FAILED. Byte order is little-endian: netlink speaks the
 * machine's own, and every processor we build for has this one. Knows no message of rtnetlink.
 */
import { FairleadError } from '../../errors.ts';

/** Bytes of a message header. */
export const headerBytes = 16;
const attributeHeaderBytes = 4;
/** Types below this one are netlink's own. */
const messageType = { error: 2, done: 3 } as const;

/** Header flags that we set or look at. */
export const messageFlag = {
  request: 0x1,
  acknowledge: 0x4,
  /** The answer of a dump may mix old and new: somebody changed the list meanwhile. */
  dumpInterrupted: 0x10,
  /** Asks for every object. */
  dump: 0x300,
  /** Makes what is not there, and refuses when it is. */
  createExclusive: 0x600,
  /** Makes it, or puts it in the place of what is there. */
  createReplace: 0x500,
} as const;

/** Flags of an acknowledgement: the request is not repeated in it; text follows. */
const acknowledgeFlag = { capped: 0x100, attributes: 0x200 } as const;
const acknowledgeText = 1;
/** Two flag bits sit above the attribute's type: nested, and network byte order. */
const attributeTypeMask = 0x3fff;
const attributeNested = 0x8000;

/** A request without its header, which the socket adds. */
export interface NetlinkRequest {
  readonly type: number;
  /** Beside `messageFlag.request`, which the socket adds. */
  readonly flags: number;
  readonly body: Uint8Array;
}

/** A message of the kernel. `body` is a view of the buffer that was read. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
  readonly body: Uint8Array;
}

/** What the kernel says at the end of a request. `errno` is 0 for success, else positive. */
export interface Acknowledgement {
  readonly errno: number;
  /** The kernel's explanation, where it has one. */
  readonly text: string | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Rounds up to the alignment of messages and attributes; lengths may be any the wire can say. */
export function align(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** One attribute, padded. */
export function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(attributeHeaderBytes + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, attributeHeaderBytes + payload.length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, attributeHeaderBytes);
  return bytes;
}

/** An attribute made of attributes. */
export function nested(type: number, ...children: readonly Uint8Array[]): Uint8Array {
  return attribute(type | attributeNested, concatenate(children));
}

/** An attribute holding one byte. */
export function byteAttribute(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(value));
}

/** An attribute holding a 32-bit number. */
export function numberAttribute(type: number, value: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, value, true);
  return attribute(type, payload);
}

/** An attribute holding a text and its NUL. */
export function textAttribute(type: number, text: string): Uint8Array {
  return attribute(type, encoder.encode(`${text}\0`));
}

/** Joins byte strings. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Requests as one piece to send, numbered upwards from `firstSequence`. */
export function encodeRequests(
  requests: readonly NetlinkRequest[],
  firstSequence: number,
): Uint8Array {
  const frames = requests.map(({ type, flags, body }, index) => {
    const frame = new Uint8Array(align(headerBytes + body.length));
    const view = new DataView(frame.buffer);
    view.setUint32(0, headerBytes + body.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags | messageFlag.request, true);
    view.setUint32(8, firstSequence + index, true);
    frame.set(body, headerBytes);
    return frame;
  });
  return concatenate(frames);
}

/**
 * The messages of one read.
 * @throws LINK_FAILED when a length does not fit
 */
export function splitMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  for (let offset = 0; offset < bytes.length;) {
    if (bytes.length - offset < headerBytes) throw malformed('a message header is cut off');
    const length = view.getUint32(offset, true);
    if (length < headerBytes || length > bytes.length - offset) {
      throw malformed(`a message says it has ${length} bytes, ${bytes.length - offset} are there`);
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      portId: view.getUint32(offset + 12, true),
      body: bytes.subarray(offset + headerBytes, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * The acknowledgement in a message, or undefined for other messages. The end of a dump is one, too.
 * @throws LINK_FAILED
 */
export function readAcknowledgement(message: NetlinkMessage): Acknowledgement | undefined {
  const { type, flags, body } = message;
  if (type !== messageType.error && type !== messageType.done) return undefined;
  // an old kernel ends a dump without a result
  if (type === messageType.done && body.length === 0) return { errno: 0, text: undefined };
  const result = readInteger(body, 0);
  if (result > 0) throw malformed(`an acknowledgement with result ${result}`);
  return { errno: result === 0 ? 0 : -result, text: acknowledgementText(type, flags, body) };
}

/** True for the last message of a dump. */
export function endsDump(message: NetlinkMessage): boolean {
  return message.type === messageType.done;
}

/**
 * The attributes from `offset` on, by type; of several with one type, the last.
 * @throws LINK_FAILED when a length does not fit
 */
export function readAttributes(bytes: Uint8Array, offset = 0): ReadonlyMap<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  if (offset > bytes.length) throw malformed('a message ends before its attributes');
  for (let at = offset; at < bytes.length;) {
    if (bytes.length - at < attributeHeaderBytes) throw malformed('an attribute is cut off');
    const length = view.getUint16(at, true);
    if (length < attributeHeaderBytes || length > bytes.length - at) {
      throw malformed(`an attribute says it has ${length} bytes, ${bytes.length - at} are there`);
    }
    const type = view.getUint16(at + 2, true) & attributeTypeMask;
    attributes.set(type, bytes.subarray(at + attributeHeaderBytes, at + length));
    at += align(length);
  }
  return attributes;
}

/**
 * A signed 32-bit number.
 * @throws LINK_FAILED when the bytes end before it does
 */
export function readInteger(bytes: Uint8Array, offset: number): number {
  return wordAt(bytes, offset).getInt32(0, true);
}

/**
 * An unsigned 32-bit number.
 * @throws LINK_FAILED when the bytes end before it does
 */
export function readNumber(bytes: Uint8Array, offset: number): number {
  return wordAt(bytes, offset).getUint32(0, true);
}

/** The text up to its NUL. Bytes that are no UTF-8 become U+FFFD: names of links may be any bytes. */
export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The error for bytes that are not what the protocol says. */
export function malformed(what: string): FairleadError {
  return new FairleadError('LINK_FAILED', `the kernel's answer cannot be read: ${what}`);
}

function acknowledgementText(type: number, flags: number, body: Uint8Array): string | undefined {
  if ((flags & acknowledgeFlag.attributes) === 0) return undefined;
  // after the result an error repeats the request: its header, and unless capped all of it
  let offset = 4;
  if (type === messageType.error) {
    const capped = (flags & acknowledgeFlag.capped) !== 0;
    offset += capped ? headerBytes : align(Math.max(headerBytes, readNumber(body, 4)));
  }
  const text = readAttributes(body, offset).get(acknowledgeText);
  return text === undefined ? undefined : readText(text);
}

function wordAt(bytes: Uint8Array, offset: number): DataView {
  if (offset + 4 > bytes.length) throw malformed('a number is cut off');
  return new DataView(bytes.buffer, bytes.byteOffset + offset, 4);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
