/** Messages of the domain name system: drawn and broken ones, and what another implementation makes of our answers. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Resolver } from 'node:dns/promises';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FairleadError } from '../../lib/errors.ts';
import { parseAddress } from '../../lib/ip/ip.ts';
import { dnsEdnsBytes, dnsPlainBytes } from '../../lib/limits.ts';
import {
  answerCode,
  isDomainName,
  readQuery,
  udpBytesMax,
  writeAnswer,
  type Answer,
} from '../../lib/names/message.ts';
import { reversedAddress, reverseName } from '../../lib/names/reverse.ts';
import { optRecord, queryBytes } from './query-bytes.ts';

const characters = 'abcXYZ019-_.\\é'.split('');
const label = fc.string({
  unit: fc.constantFrom(...characters),
  minLength: 1,
  maxLength: 12,
});
const labels = fc.array(label, { maxLength: 6 });

describe('a query', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        labels,
        fc.nat(0xffff),
        fc.nat(0xffff),
        fc.option(fc.nat(0xffff)),
        (path, id, type, edns) => {
          const additional = edns === null ? [] : [optRecord(edns)];
          const query = readQuery(queryBytes(path, { id, type, additional }));
          expect(query).toMatchObject({ id, type, class: 1, opcode: 0, isWhole: true });
          expect(query.repeated).toBe(0x0100);
          expect(query.edns).toEqual(edns === null ? undefined : { bytesMax: edns, version: 0 });
          const escaped = path.map((each) => each.replaceAll(/[.\\]/g, (one) => `\\${one}`));
          const lower = escaped.join('.').replaceAll(/[A-Z]/g, (one) => one.toLowerCase());
          expect(query.name).toBe(lower);
        },
      ),
    );
  });

  it('that is broken is refused or known to be broken, and nothing else happens', () => {
    const seen = { refused: 0, broken: 0, whole: 0 };
    const changed = fc
      .tuple(labels, fc.array(fc.tuple(fc.nat(70), fc.nat(255)), { maxLength: 3 }), fc.nat(60))
      .map(([path, changes, cut]) => {
        const bytes = queryBytes(path, { additional: [optRecord(1232)] });
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes.subarray(0, bytes.length - (cut > 30 ? 0 : cut));
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), changed), (bytes) => {
        try {
          seen[readQuery(bytes).isWhole ? 'whole' : 'broken'] += 1;
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FairleadError);
          expect((thrown as FairleadError).code).toBe('NAME_QUERY_INVALID');
          seen.refused += 1;
        }
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(50);
  });

  it.each([
    ['an answer', queryBytes(['a'], { flags: 0x8000 })],
    ['two questions', queryBytes(['a'], { questions: 2 })],
    ['a pointer in its name', queryBytes(['a'], { name: [0xc0, 12] })],
    ['a label of a kind that nobody uses', queryBytes(['a'], { name: [0x41, 0, 0] })],
    ['a name of 257 bytes', queryBytes(Array.from({ length: 128 }, () => 'a'))],
    ['a name without end', queryBytes(['a']).subarray(0, 14)],
    ['no type', queryBytes(['a']).subarray(0, 16)],
  ])('with %s is none', (_, bytes) => {
    expect(() => readQuery(bytes)).toThrow('is no query');
  });

  it.each([
    ['what stands behind it', [...queryBytes(['a']), 0]],
    ['an EDNS record of a name', queryBytes(['a'], { additional: [[1, 97, ...optRecord(512)]] })],
    ['two EDNS records', queryBytes(['a'], { additional: [optRecord(512), optRecord(512)] })],
    ['a record that ends early', queryBytes(['a'], { additional: [optRecord(512).slice(0, -1)] })],
    ['an answer section', queryBytes(['a'], { answers: 1 })],
    ['a mark that it was cut', queryBytes(['a'], { flags: 0x0200 })],
  ])('with %s still says what it asks', (_, bytes) => {
    expect(readQuery(Uint8Array.from(bytes))).toMatchObject({ name: 'a', isWhole: false });
  });

  it('of 255 bytes is read', () => {
    const path = Array.from({ length: 127 }, () => 'a');
    expect(readQuery(queryBytes(path)).name).toHaveLength(253);
  });
});

const addresses = (count: number, family: 4 | 6): Answer['records'] =>
  Array.from({ length: count }, (_, at) => ({
    kind: 'address',
    address: parseAddress(
      family === 4 ? `10.1.${at >> 8}.${at & 255}` : `fd00::${at.toString(16)}`,
    ),
  }));

describe('an answer', () => {
  const given = new Map<string, Answer>();
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  let socket: Socket;
  beforeAll(async () => {
    socket = createSocket('udp4', (bytes, from) => {
      const query = readQuery(bytes);
      const answer = given.get(query.name) ?? { code: 3, records: [], ttlSeconds: 5 };
      const written = writeAnswer(query, answer, udpBytesMax(query));
      socket.send(written, from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  });
  afterAll(() => void socket.close());

  const answers = (name: string, records: Answer['records'], code: number = answerCode.good) =>
    void given.set(name, { code, records, ttlSeconds: 5 });

  it('is understood by others: addresses of both families with their time', async () => {
    answers('web-1.web', addresses(3, 4));
    answers('six.web', addresses(2, 6));
    expect(await resolver.resolve4('Web-1.WEB', { ttl: true })).toEqual(
      ['10.1.0.0', '10.1.0.1', '10.1.0.2'].map((address) => ({ address, ttl: 5 })),
    );
    expect(await resolver.resolve6('six.web')).toEqual(['fd00::', 'fd00::1']);
  });

  it('is understood by others: names of addresses', async () => {
    for (const text of ['10.1.0.7', 'fd00::7']) {
      answers(reverseName(parseAddress(text)), [{ kind: 'name', name: `n${text.length}.web` }]);
      expect(await resolver.reverse(text)).toEqual([`n${text.length}.web`]);
    }
  });

  it('is understood by others: that there is no such name, and that it has no such record', async () => {
    answers('empty.web', []);
    await expect(resolver.resolve4('none.web')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve6('empty.web')).rejects.toMatchObject({ code: 'ENODATA' });
  });

  it('is no larger than who asks can take, and has as many records as fit', () => {
    const answer: Answer = { code: 0, records: addresses(200, 4), ttlSeconds: 5 };
    const sizes = [undefined, 100, 600, 65_535].map((bytesMax) => {
      const additional = bytesMax === undefined ? [] : [optRecord(bytesMax)];
      const query = readQuery(queryBytes(['group'], { additional }));
      const written = writeAnswer(query, answer, udpBytesMax(query));
      const count = new DataView(written.buffer).getUint16(6);
      const head = 12 + 11 + (bytesMax === undefined ? 0 : 11);
      expect(written).toHaveLength(head + count * 16);
      expect(written.length).toBeLessThanOrEqual(udpBytesMax(query));
      // one more would not have fitted
      expect(written.length + 16).toBeGreaterThan(udpBytesMax(query));
      return udpBytesMax(query);
    });
    expect(sizes).toEqual([dnsPlainBytes, dnsPlainBytes, 600, dnsEdnsBytes]);
    const query = readQuery(queryBytes(['group']));
    expect(new DataView(writeAnswer(query, answer, 65_535).buffer).getUint16(6)).toBe(200);
  });

  it('repeats the question as it was asked, and says of EDNS what it speaks', () => {
    const query = readQuery(
      queryBytes(['WeB'], { flags: 0x0110, additional: [optRecord(4096, 1)] }),
    );
    const code = answerCode.badVersion;
    const text = Buffer.from(writeAnswer(query, { code, records: [], ttlSeconds: 5 }, 512));
    expect(text.readUInt16BE(2)).toBe(0x8590);
    expect(text.subarray(12, 17)).toEqual(Buffer.from([3, ...Buffer.from('WeB'), 0]));
    expect([...text.subarray(-11)]).toEqual([0, 0, 41, 0x04, 0xd0, 1, 0, 0, 0, 0, 0]);
  });
});

describe('names of addresses', () => {
  it('lead back to them', () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }).map((groups) => {
        return groups.map((group) => group.toString(16)).join(':');
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(!text.startsWith('0:0:0:0:0:ffff'));
        const address = parseAddress(text);
        expect(reversedAddress(reverseName(address))).toEqual(address);
      }),
    );
    expect(reverseName(parseAddress('10.1.2.3'))).toBe('3.2.1.10.in-addr.arpa');
  });

  it.each([
    '1.1.10.in-addr.arpa',
    '1.0.1.1.10.in-addr.arpa',
    '256.1.1.10.in-addr.arpa',
    '01.1.1.10.in-addr.arpa',
    'in-addr.arpa',
    `${'0.'.repeat(31)}ip6.arpa`,
    `g.${'0.'.repeat(31)}ip6.arpa`,
    '4.3.2.1',
  ])('%s is none', (text) => {
    expect(reversedAddress(text)).toBeUndefined();
  });
});

it('texts that can be names are', () => {
  const longest = `${'a.'.repeat(126)}a`;
  const texts = [
    'a',
    'a.b_c',
    '',
    '.',
    'a..b',
    'a.',
    'a'.repeat(64),
    'ä',
    'a b',
    longest,
    `${longest}a`,
  ];
  expect(texts.filter(isDomainName)).toEqual(['a', 'a.b_c', longest]);
});
