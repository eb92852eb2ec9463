import { constants } from 'node:os';
import { beforeEach, describe, expect, test } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import {
  attribute,
  concatenate,
  messageFlag,
  nested,
  numberAttribute,
  readAttributes,
  textAttribute,
  type NetlinkRequest,
} from '../../../lib/datapath/link/netlink-codec.ts';
import type { Reply } from '../../../lib/datapath/link/netlink-socket.ts';
import { linkGroup, makeVeth, removeLink } from '../../../lib/datapath/link/veth.ts';
import { fakeLibc } from './fake-libc.ts';

const { EAFNOSUPPORT, EEXIST, EINVAL, ENODEV } = constants.errno;
const types = { create: 16, remove: 17, get: 18, set: 19 };
const wish = {
  host: 'fh-1',
  peer: 'fc-1',
  mtu: 1450,
  peerMac: undefined,
  alias: 'fairlead:1',
  txChecksumOff: true,
};

/** What each request is answered with, by type; and the requests that were made. */
let answers: Map<number, number[]>;
let links: Map<string, Uint8Array>;
let asked: NetlinkRequest[];
let offload: () => Promise<void>;

beforeEach(() => {
  answers = new Map();
  links = new Map();
  asked = [];
  offload = async () => {};
});

function tools() {
  const exchange = async (requests: readonly NetlinkRequest[]): Promise<readonly Reply[]> =>
    requests.map((request) => {
      asked.push(request);
      const errno = answers.get(request.type)?.shift() ?? 0;
      if (request.type !== types.get) return { errno, text: undefined, messages: [] };
      const link = links.get(nameIn(request));
      if (link === undefined) return { errno: ENODEV, text: undefined, messages: [] };
      const head = { type: types.create, flags: 0, sequence: 1, portId: 0 };
      return { errno: 0, text: undefined, messages: [{ ...head, body: link }] };
    });
  const socket = { exchange };
  return {
    libc: fakeLibc().libc,
    changes: socket,
    removals: socket,
    offload: { switchOff: () => offload() },
  };
}

interface Shape {
  readonly index: number;
  readonly name: string;
  readonly peerIndex: number;
  readonly alias?: string;
  readonly group?: number;
  readonly peerNamespace?: number;
}

function put(shape: Shape): void {
  const head = new Uint8Array(16);
  new DataView(head.buffer).setInt32(4, shape.index, true);
  const { alias, peerNamespace } = shape;
  const body = concatenate([
    head,
    textAttribute(3, shape.name),
    numberAttribute(5, shape.peerIndex),
    numberAttribute(27, shape.group ?? 0),
    nested(18, textAttribute(1, 'veth')),
    ...(alias === undefined ? [] : [textAttribute(20, alias)]),
    ...(peerNamespace === undefined ? [] : [numberAttribute(37, peerNamespace)]),
  ]);
  links.set(shape.name, body);
}

function nameIn({ body }: NetlinkRequest): string {
  const bytes = readAttributes(body, 16).get(3) ?? attribute(0, new Uint8Array());
  return Buffer.from(bytes).toString().replaceAll('\0', '');
}

const kinds = () => asked.map(({ type }) => type);
const changing = () => kinds().filter((type) => type !== types.get && type !== types.create);

describe('a new pair', () => {
  test('takes two exchanges, and only the first can meet a foreign link', async () => {
    await makeVeth(tools(), wish);
    expect(kinds()).toEqual([types.create, types.set, types.set, types.set]);
    expect(asked[0]?.flags).toBe(messageFlag.acknowledge | messageFlag.createExclusive);
  });

  test('is complete on a host without IPv6', async () => {
    answers.set(types.set, [EAFNOSUPPORT]);
    await makeVeth(tools(), wish);
    expect(changing()).not.toContain(types.remove);
  });

  test.each([
    ['the address mode', [EINVAL]],
    ['the host end', [0, EINVAL]],
    ['the container end', [0, 0, EINVAL]],
  ])('is removed again when %s is refused', async (_, errnos) => {
    put({ index: 5, name: 'fh-1', peerIndex: 6, group: linkGroup });
    answers.set(types.set, errnos);
    await expect(makeVeth(tools(), wish)).rejects.toMatchObject({
      code: 'LINK_FAILED',
      detail: { errno: 'EINVAL' },
    });
    expect(kinds().at(-1)).toBe(types.remove);
  });

  test('is removed again when checksum offload cannot be switched off', async () => {
    put({ index: 5, name: 'fh-1', peerIndex: 6, alias: wish.alias });
    offload = async () => {
      throw new FairleadError('LINK_FAILED', 'no ethtool');
    };
    await expect(makeVeth(tools(), wish)).rejects.toThrow('no ethtool');
    expect(kinds().at(-1)).toBe(types.remove);
  });
});

describe('a pair whose names are taken', () => {
  beforeEach(() => {
    answers.set(types.create, [EEXIST, EEXIST, EEXIST]);
  });

  test('is corrected when it is ours', async () => {
    put({ index: 5, name: 'fh-1', peerIndex: 6, alias: wish.alias });
    put({ index: 6, name: 'fc-1', peerIndex: 5, alias: wish.alias });
    await makeVeth(tools(), wish);
    expect(changing()).toEqual([types.set, types.set, types.set]);
  });

  test('is finished when its maker died before it wrote the mark', async () => {
    put({ index: 5, name: 'fh-1', peerIndex: 6, group: linkGroup });
    put({ index: 6, name: 'fc-1', peerIndex: 5, group: linkGroup });
    await makeVeth(tools(), wish);
    expect(changing()).toEqual([types.set, types.set, types.set]);
  });

  test.each<[string, string, readonly Shape[]]>([
    ['without a mark', 'LINK_NOT_OURS', [{ index: 5, name: 'fh-1', peerIndex: 6 }]],
    [
      'with the mark of another',
      'LINK_NOT_OURS',
      [{ index: 5, name: 'fh-1', peerIndex: 6, alias: 'fairlead:2', group: linkGroup }],
    ],
    [
      'with a foreign link in the place of the container end',
      'LINK_NOT_OURS',
      [
        { index: 5, name: 'fh-1', peerIndex: 6, alias: 'fairlead:1' },
        { index: 9, name: 'fc-1', peerIndex: 10 },
      ],
    ],
    [
      'with the container end in a container',
      'LINK_IN_USE',
      [{ index: 5, name: 'fh-1', peerIndex: 6, alias: 'fairlead:1', peerNamespace: 0 }],
    ],
    [
      'with ends of two pairs',
      'LINK_IN_USE',
      [
        { index: 5, name: 'fh-1', peerIndex: 7, alias: 'fairlead:1' },
        { index: 6, name: 'fc-1', peerIndex: 8, alias: 'fairlead:1' },
      ],
    ],
  ])('is left alone: %s', async (_, code, shapes) => {
    for (const shape of shapes) put(shape);
    await expect(makeVeth(tools(), wish)).rejects.toMatchObject({ code });
    expect(changing()).toEqual([]);
  });

  test('is tried again when they are free at the second look, but not for ever', async () => {
    await expect(makeVeth(tools(), wish)).rejects.toMatchObject({ code: 'LINK_FAILED' });
    expect(kinds().filter((type) => type === types.create)).toHaveLength(3);
    answers.set(types.create, [EEXIST]);
    await makeVeth(tools(), wish);
  });
});

describe('removing', () => {
  test('goes by index, so that a name that passed on is not followed', async () => {
    put({ index: 0x55, name: 'fh-1', peerIndex: 6, alias: wish.alias });
    expect(await removeLink(tools(), 'fh-1', wish.alias)).toBe(true);
    const request = asked.at(-1);
    expect(request?.type).toBe(types.remove);
    expect(request?.body[4]).toBe(0x55);
    expect(request?.body).toHaveLength(16);
  });

  test('is no error when somebody was quicker, and refused when it is not ours', async () => {
    expect(await removeLink(tools(), 'fh-1', wish.alias)).toBe(false);
    put({ index: 5, name: 'fh-1', peerIndex: 6, alias: wish.alias });
    answers.set(types.remove, [ENODEV]);
    expect(await removeLink(tools(), 'fh-1', wish.alias)).toBe(false);
    await expect(removeLink(tools(), 'fh-1', 'fairlead:2')).rejects.toMatchObject({
      code: 'LINK_NOT_OURS',
    });
  });
});
