/**
 * Messages of the domain name system (RFC 1035 section 4) as far as a server needs them that answers questions about
 * addresses: a query in, its answer out. Pure: bytes in, bytes out. What asks nothing that can be read is refused with
 * NAME_QUERY_INVALID; a question that can be read is given back even where the rest of its message is broken, so that
 * who must not let it out still knows what it asks.
 */
import { FairleadError } from '../errors.ts';
import { addressBytes, type IpAddress } from '../ip/ip.ts';
import { dnsEdnsBytes, dnsLabelBytesMax, dnsNameBytesMax, dnsPlainBytes } from '../limits.ts';

/** Types of records that we know (RFC 1035 section 3.2.2, RFC 3596 section 2.1, RFC 6891 section 6.1). */
export const recordType = { a: 1, ptr: 12, aaaa: 28, opt: 41, any: 255 } as const;
/** The Internet's class (RFC 1035 section 3.2.4). */
export const internetClass = 1;
/** Answers (RFC 1035 section 4.1.1, RFC 6891 section 9). */
export const answerCode = {
  good: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  badVersion: 16,
} as const;

/** What somebody asks. */
export interface Query {
  readonly id: number;
  /** 0 for a plain question. */
  readonly opcode: number;
  /** Bits that an answer repeats: recursion desired, checking disabled (RFC 1035, RFC 4035 section 3.2.2). */
  readonly repeated: number;
  /** Lower case, without the root's dot; a dot or backslash within a label has a backslash before it. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it came: answers repeat it, its letters as they were. */
  readonly question: Uint8Array;
  /** Of a query that speaks EDNS (RFC 6891): how large an answer may be, and which version it speaks. */
  readonly edns: { readonly bytesMax: number; readonly version: number } | undefined;
  /** Whether all of the message is as it has to be. */
  readonly isWhole: boolean;
}

/** What an answer says. */
export type RecordData =
  | { readonly kind: 'address'; readonly address: IpAddress }
  /** The name that an address has, in labels with dots between. */
  | { readonly kind: 'name'; readonly name: string };

const headerBytes = 12;
const pointerMark = 0xc0;
/** Where the question stands in every message. */
const questionPointer = 0xc000 | headerBytes;
const headerFlag = { response: 0x8000, authoritative: 0x0400, recursionAvailable: 0x0080 } as const;
const truncatedFlag = 0x0200;
const repeatedFlags = 0x0110;
const optBytes = 11;

/**
 * Reads a message as a query.
 * @throws NAME_QUERY_INVALID when it is an answer, or when there is not one question that can be read
 */
export function readQuery(bytes: Uint8Array): Query {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes) throw invalid('is shorter than a header');
  const flags = view.getUint16(2);
  if ((flags & headerFlag.response) !== 0) throw invalid('is an answer');
  if (view.getUint16(4) !== 1) throw invalid(`has ${view.getUint16(4)} questions`);
  const { name, end } = readQuestionName(bytes);
  if (end + 4 > bytes.length) throw invalid('ends within its question');
  const opcode = (flags >> 11) & 15;
  const additional = readAdditional(view, end + 4);
  const isPlain = view.getUint16(6) === 0 && view.getUint16(8) === 0;
  return {
    id: view.getUint16(0),
    opcode,
    repeated: flags & repeatedFlags,
    name,
    type: view.getUint16(end),
    class: view.getUint16(end + 2),
    question: bytes.slice(headerBytes, end + 4),
    edns: additional?.edns,
    isWhole: additional !== undefined && isPlain && (flags & truncatedFlag) === 0,
  };
}

/** The name of the question: nothing stands before it that a pointer could lead to. */
function readQuestionName(bytes: Uint8Array): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) throw invalid('ends within a name');
    if (length > dnsLabelBytesMax) throw invalid('has a label that is none');
    at += 1;
    if (at + length - headerBytes > dnsNameBytesMax) throw invalid('has a name that is too long');
    if (length === 0) return { name: labels.join('.'), end: at };
    if (at + length > bytes.length) throw invalid('ends within a name');
    labels.push(labelText(bytes.subarray(at, at + length)));
    at += length;
  }
}

/** Letters of ASCII in lower case (RFC 4343 section 3); other bytes as they are. */
function labelText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[.\\]/g, String.raw`\$&`);
}

/** What stands behind the question; undefined when it is not as it has to be. */
function readAdditional(
  view: DataView,
  start: number,
): { readonly edns: Query['edns'] } | undefined {
  let edns: Query['edns'];
  let at = start;
  for (let left = view.getUint16(10); left > 0; left--) {
    const name = skipName(view, at);
    if (name === undefined || name + 10 > view.byteLength) return undefined;
    const end = name + 10 + view.getUint16(name + 8);
    if (end > view.byteLength) return undefined;
    if (view.getUint16(name) === recordType.opt) {
      // the root's, and only one (RFC 6891 section 6.1.1)
      if (edns !== undefined || name !== at + 1) return undefined;
      edns = { bytesMax: view.getUint16(name + 2), version: view.getUint8(name + 5) };
    }
    at = end;
  }
  return at === view.byteLength ? { edns } : undefined;
}

/** Where a name ends, be it by a pointer (RFC 1035 section 4.1.4). */
function skipName(view: DataView, start: number): number | undefined {
  let at = start;
  while (at < view.byteLength) {
    const length = view.getUint8(at);
    if (length >= pointerMark) return at + 2;
    if (length > dnsLabelBytesMax) return undefined;
    at += length + 1;
    if (length === 0) return at;
  }
  return undefined;
}

/** What goes into an answer. */
export interface Answer {
  /** One of `answerCode`. */
  readonly code: number;
  readonly records: readonly RecordData[];
  readonly ttlSeconds: number;
}

/** How large an answer by UDP may be, bytes (RFC 1035 section 4.2.1, RFC 6891 section 6.2.5). */
export const udpBytesMax = ({ edns }: Query): number =>
  edns === undefined
    ? dnsPlainBytes
    : Math.min(Math.max(edns.bytesMax, dnsPlainBytes), dnsEdnsBytes);

/** An answer in so many bytes at most: of its records, from the first on, as many as fit. */
export function writeAnswer(query: Query, answer: Answer, bytesMax: number): Uint8Array {
  const opt = query.edns === undefined ? 0 : optBytes;
  const before = headerBytes + query.question.length;
  const chosen: Uint8Array[] = [];
  let length = before + opt;
  for (const data of answer.records) {
    const record = recordBytes(data, answer.ttlSeconds);
    if (length + record.length > bytesMax) break;
    chosen.push(record);
    length += record.length;
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, query.id);
  const { response, authoritative, recursionAvailable } = headerFlag;
  const flags = response | authoritative | recursionAvailable | query.repeated;
  view.setUint16(2, flags | (query.opcode << 11) | (answer.code & 15));
  view.setUint16(4, 1);
  view.setUint16(6, chosen.length);
  view.setUint16(10, opt === 0 ? 0 : 1);
  bytes.set(query.question, headerBytes);
  let at = before;
  for (const record of chosen) {
    bytes.set(record, at);
    at += record.length;
  }
  if (opt > 0) {
    view.setUint16(at + 1, recordType.opt);
    view.setUint16(at + 3, dnsEdnsBytes);
    // the upper bits of the code; the version is 0
    view.setUint8(at + 5, answer.code >> 4);
  }
  return bytes;
}

/** A record of the name that was asked for, whose place in the question stands for it. */
function recordBytes(data: RecordData, ttlSeconds: number): Uint8Array {
  const [type, content] =
    data.kind === 'name'
      ? [recordType.ptr, nameBytes(data.name)]
      : [data.address.family === 4 ? recordType.a : recordType.aaaa, addressBytes(data.address)];
  const bytes = new Uint8Array(headerBytes + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, questionPointer);
  view.setUint16(2, type);
  view.setUint16(4, internetClass);
  view.setUint32(6, ttlSeconds);
  view.setUint16(10, content.length);
  bytes.set(content, headerBytes);
  return bytes;
}

/**
 * Whether a text can be a name: labels of 1 to 63 characters of ASCII, 255 bytes in all.
 */
export function isDomainName(text: string): boolean {
  return (
    text.length + 2 <= dnsNameBytesMax &&
    text
      .split('.')
      .every((label) => /^[\x21-\x7e]+$/.test(label) && label.length <= dnsLabelBytesMax)
  );
}

function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length + 2);
  let at = 0;
  for (const label of name.split('.')) {
    bytes[at] = label.length;
    for (let index = 0; index < label.length; index++)
      bytes[at + 1 + index] = label.charCodeAt(index);
    at += label.length + 1;
  }
  return bytes;
}

const invalid = (what: string): FairleadError =>
  new FairleadError(
    'NAME_QUERY_INVALID',
    `the message is no query that can be answered: it ${what}`,
  );
